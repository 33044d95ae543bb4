//! Field expressions of a list: columns, functions, aggregates.
//!
//! What lives here: reading the text of an expression. What may not: data.

/// An expression as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    /// `column`, `table.column`, `` `tabX`.`column` ``.
    Column { table: Option<String>, column: String },
    /// A function or an aggregate.
    Call { name: String, distinct: bool, args: Vec<Expr> },
    /// `*` as an argument.
    Star,
    /// A number.
    Number(f64),
    /// A text in quotes.
    Text(String),
    /// An arithmetic operation.
    Binary(char, Box<Expr>, Box<Expr>),
}

/// One item of a field list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    /// What to compute.
    pub expr: Expr,
    /// The key in the answer.
    pub alias: String,
}

const AGGREGATES: [&str; 7] = ["count", "sum", "min", "max", "avg", "bit_xor", "group_concat"];

/// True when a function is an aggregate.
pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

impl Expr {
    /// Calls back for every column in it.
    pub fn each_column(&self, look: &mut dyn FnMut(Option<&str>, &str)) {
        match self {
            Self::Column { table, column } => look(table.as_deref(), column),
            Self::Call { args, .. } => args.iter().for_each(|arg| arg.each_column(look)),
            Self::Binary(_, left, right) => {
                left.each_column(look);
                right.each_column(look);
            }
            _ => {}
        }
    }

    /// True when some function in it has no argument.
    pub fn has_empty_call(&self) -> bool {
        match self {
            Self::Call { args, .. } => args.is_empty() || args.iter().any(Self::has_empty_call),
            Self::Binary(_, left, right) => left.has_empty_call() || right.has_empty_call(),
            _ => false,
        }
    }
}

/// Reads an item of a field list; `None` when it cannot be read.
pub(crate) fn parse_item(text: &str) -> Option<Item> {
    let lower = text.to_lowercase();
    let (body, alias) = match lower.rfind(" as ") {
        Some(at) => (&text[..at], Some(&text[at + 4..])),
        None => (text, None),
    };
    let expr = parse(body)?;
    let alias = match (alias, &expr) {
        (Some(alias), _) => alias.trim().trim_matches(['`', '\'', '"']).to_owned(),
        (None, Expr::Column { column, .. }) => column.clone(),
        (None, _) => body.trim().to_owned(),
    };
    Some(Item { expr, alias })
}

/// Reads an expression; `None` when it cannot be read.
pub(crate) fn parse(text: &str) -> Option<Expr> {
    let mut parser = Parser { rest: text.trim_start() };
    let expr = parser.sum()?;
    parser.rest.is_empty().then_some(expr)
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Option<Expr> {
        let mut left = self.product()?;
        while let Some(sign) = ['+', '-'].into_iter().find(|sign| self.eat(*sign)) {
            left = Expr::Binary(sign, Box::new(left), Box::new(self.product()?));
        }
        Some(left)
    }

    fn product(&mut self) -> Option<Expr> {
        let mut left = self.term()?;
        while let Some(sign) = ['*', '/'].into_iter().find(|sign| self.eat(*sign)) {
            left = Expr::Binary(sign, Box::new(left), Box::new(self.term()?));
        }
        Some(left)
    }

    fn term(&mut self) -> Option<Expr> {
        if self.eat('(') {
            let inner = self.sum()?;
            return self.eat(')').then_some(inner);
        }
        if self.eat('*') {
            return Some(Expr::Star);
        }
        for quote in ['\'', '"'] {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                let (text, rest) = rest.split_once(quote)?;
                let text = text.to_owned();
                self.rest = rest.trim_start();
                return Some(Expr::Text(text));
            }
        }
        let first = self.name()?;
        if first.bytes().all(|byte| byte.is_ascii_digit()) {
            let mut number = first;
            if self.eat('.') {
                number = format!("{number}.{}", self.name()?);
            }
            return number.parse().ok().map(Expr::Number);
        }
        if self.eat('(') {
            return self.call(&first);
        }
        if self.eat('.') {
            let column = if self.eat('*') { "*".to_owned() } else { self.name()? };
            let table = first.strip_prefix("tab").unwrap_or(&first).to_owned();
            let table = if first.starts_with("tab") && first.len() > 3 { table } else { first };
            return Some(Expr::Column { table: Some(table), column });
        }
        Some(Expr::Column { table: None, column: first })
    }

    fn call(&mut self, name: &str) -> Option<Expr> {
        let mut distinct = false;
        let lower = self.rest.to_lowercase();
        if lower.starts_with("distinct ") || lower.starts_with("distinct`") {
            distinct = true;
            self.rest = self.rest["distinct".len()..].trim_start();
        }
        let mut args = Vec::new();
        if !self.eat(')') {
            loop {
                args.push(self.sum()?);
                if self.eat(')') {
                    break;
                }
                if !self.eat(',') {
                    return None;
                }
            }
        }
        Some(Expr::Call { name: name.to_lowercase(), distinct, args })
    }

    fn name(&mut self) -> Option<String> {
        if let Some(rest) = self.rest.strip_prefix('`') {
            let (name, rest) = rest.split_once('`')?;
            let name = name.to_owned();
            self.rest = rest.trim_start();
            return Some(name);
        }
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let end = self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len());
        if end == 0 {
            return None;
        }
        let name = self.rest[..end].to_owned();
        self.rest = self.rest[end..].trim_start();
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_lists_ask_for() {
        let item = parse_item("sum(crc32(name)) as h").unwrap();
        assert_eq!(item.alias, "h");
        let item = parse_item("`tabProbe Child`.`item`").unwrap();
        assert_eq!(item.alias, "item");
        let item = parse_item("count(distinct name) as c").unwrap();
        assert!(matches!(item.expr, Expr::Call { distinct: true, .. }));
        assert!(parse_item("sum(crc32(name)*microsecond(modified)) as x").is_some());
        assert!(parse_item("now() as n").unwrap().expr.has_empty_call());
        assert!(parse_item("name; drop").is_none());
    }
}
