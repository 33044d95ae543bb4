//! One word for each value of an enum, the same in the configuration, the state and the output.

/// Gives an enum its words: `ALL`, `as_str`, `parse` and `Display`.
macro_rules! words {
    ($name:ident, $count:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// All of them, in the order in which they are listed to a user.
            pub const ALL: [Self; $count] = [$(Self::$variant),+];

            /// The word for it in configuration, state and output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// Reads the word that `as_str` gives.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;
