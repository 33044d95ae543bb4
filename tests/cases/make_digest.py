#!/usr/bin/env python3
"""Writes digest.json: what Python's json.dumps(sort_keys=True) and hashlib.md5 give.

Each vector holds a JSON text as a site may send it ("json"), the text that is hashed
("text") and its MD5 ("md5"). Run it from anywhere; it prints the file to standard output,
or writes it beside itself with --write.
"""
import hashlib
import json
import pathlib
import sys

NUMBERS = [
    "0", "-0", "1", "-1", "42", "2147483647", "-2147483648", "9007199254740993",
    "9223372036854775807", "-9223372036854775808", "18446744073709551615",
    "18446744073709551616", "100000000000000000000000000000", "-123456789012345678901234567890",
    "0.0", "-0.0", "10.0", "10.00", "1.5", "-1.5", "0.1", "0.30000000000000004", "100.0",
    "3.333333333", "1234567.123456789", "0.0001", "0.00001", "1e-7", "1E-7", "1.5e-10", "1e15",
    "1e16", "1e+16", "123456789012345680.0", "9999999999999998.0", "1e22", "1e23", "1.7976931348623157e308",
    "5e-324", "2.2250738585072014e-308", "4.35", "0.1e1", "12345678.9", "1e400", "-1e400",
]
TEXTS = [
    "", "plain", "with \"quotes\"", "back\\slash", "slash/", "line\nbreak", "cr\r\nlf", "tab\there",
    "\b\f", "\u0000\u0001\u001f", "\u007f", "\u0080\u009f", "Ärger", "e\u0301", "漢字", "😀",
    "👩‍👩‍👧", "\u2028\u2029", "\ufeffbom", "\U0010ffff", "עברית", "ﬁ", "<b>&amp;</b>", "  edges  ", "null", "1.0",
]
STRUCTURES = [
    "null", "true", "false", "[]", "{}", "[[]]", '{"a": {}}', '[null, "", 0]', '{"b": 1, "a": 2}',
    '{"B": 1, "a": 2, "A": 3, "_": 4}', '{"ä": 1, "z": 2, "😀": 3, "￿": 4}',
    '{"items": [{"qty": 2.0, "item_code": "A"}, {"item_code": "B", "qty": 1}], "name": "X"}',
    '{"rows": [{"a": null, "b": ""}, {}], "t": "x\\ny"}', '{"k\\"ey": "v"}', '{"a": 1, "a": 2}',
    ' { "spaced" : [ 1 , 2.50 ] } ', '{"surrogates": "\\ud83d\\ude00"}', '{"escaped": "\\u00e4\\/"}',
]


def vectors():
    sources = NUMBERS + [json.dumps(text) for text in TEXTS]
    sources += [json.dumps(text, ensure_ascii=False) for text in TEXTS if not text.isascii()]
    sources += STRUCTURES + ['{"total": %s}' % number for number in NUMBERS[:8]]
    for source in sources:
        text = json.dumps(json.loads(source), sort_keys=True)
        yield {"json": source, "text": text, "md5": hashlib.md5(text.encode()).hexdigest()}


if __name__ == "__main__":
    output = json.dumps(list(vectors()), indent=1, ensure_ascii=True) + "\n"
    if "--write" in sys.argv:
        pathlib.Path(__file__).with_name("digest.json").write_text(output)
    else:
        sys.stdout.write(output)
