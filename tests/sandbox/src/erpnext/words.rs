//! Amounts of money in words.
//!
//! What lives here: the wording. What may not: documents.

const SMALL: [&str; 20] = [
    "Zero",
    "One",
    "Two",
    "Three",
    "Four",
    "Five",
    "Six",
    "Seven",
    "Eight",
    "Nine",
    "Ten",
    "Eleven",
    "Twelve",
    "Thirteen",
    "Fourteen",
    "Fifteen",
    "Sixteen",
    "Seventeen",
    "Eighteen",
    "Nineteen",
];
const TENS: [&str; 10] =
    ["", "", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"];
const THOUSANDS: [&str; 5] = ["", " Thousand", " Million", " Billion", " Trillion"];

/// `USD Twelve and Thirty Five Cent only.`
pub(crate) fn in_words(currency: &str, amount: f64) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "0"));
    let whole = number(whole.parse().unwrap_or(0));
    match cents.parse().unwrap_or(0) {
        0 => format!("{currency} {whole} only."),
        cents => format!("{currency} {whole} and {} Cent only.", number(cents)),
    }
}

fn number(number: usize) -> String {
    if number == 0 {
        return SMALL[0].to_owned();
    }
    let mut parts = Vec::new();
    let (mut rest, mut power) = (number, 0);
    while rest > 0 && power < THOUSANDS.len() {
        if rest % 1000 > 0 {
            parts.insert(0, format!("{}{}", below_thousand(rest % 1000), THOUSANDS[power]));
        }
        rest /= 1000;
        power += 1;
    }
    // What is left below a hundred follows with "And" instead of a comma.
    match parts.pop() {
        Some(last) if (1..100).contains(&(number % 1000)) && !parts.is_empty() => {
            format!("{} And {last}", parts.join(", "))
        }
        Some(last) => {
            parts.push(last);
            parts.join(", ")
        }
        None => String::new(),
    }
}

fn below_thousand(number: usize) -> String {
    let rest = match number % 100 {
        rest if rest < 20 => SMALL[rest].to_owned(),
        rest if rest % 10 == 0 => TENS[rest / 10].to_owned(),
        rest => format!("{} {}", TENS[rest / 10], SMALL[rest % 10]),
    };
    match (number / 100, number % 100) {
        (0, _) => rest,
        (hundreds, 0) => format!("{} Hundred", SMALL[hundreds]),
        (hundreds, _) => format!("{} Hundred And {rest}", SMALL[hundreds]),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn amounts_are_worded_as_recorded() {
        for (amount, words) in [
            (0.0, "USD Zero only."),
            (12.35, "USD Twelve and Thirty Five Cent only."),
            (577.5, "USD Five Hundred And Seventy Seven and Fifty Cent only."),
            (1000.0, "USD One Thousand only."),
            (1350.0, "USD One Thousand, Three Hundred And Fifty only."),
            (1005.0, "USD One Thousand And Five only."),
            (
                499_995.0,
                "USD Four Hundred And Ninety Nine Thousand, Nine Hundred And Ninety Five only.",
            ),
        ] {
            assert_eq!(in_words("USD", amount), words);
        }
    }
}
