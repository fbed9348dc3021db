//! Makes enums whose variants are the words of the deployment file.

/// Defines an enum with one word a variant: `ALL`, `as_str`, `Display`, `FromStr` and `Serialize`
/// all come from the same table, so they cannot disagree.
macro_rules! words {
    ($(#[$about:meta])* $vis:vis $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        $vis enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in the order of declaration.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that the deployment file uses.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::plan::words::Word for $name {
            fn all() -> &'static [Self] {
                Self::ALL
            }

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

pub(crate) use words;

/// A value that the deployment file writes as one word of a closed list.
pub(crate) trait Word: Copy + 'static {
    /// Every value.
    fn all() -> &'static [Self];
    /// The word of this value.
    fn word(self) -> &'static str;
}
