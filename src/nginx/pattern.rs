//! Whether a regular expression of a `location` matches a path: the part of PCRE that such
//! expressions use. What it does not know, it does not guess.

/// Longest expression, in characters.
const MAX_PATTERN: usize = 1024;
/// Deepest nesting of groups.
const MAX_GROUPS: usize = 16;
/// Most steps of one match; beyond them the answer is unknown.
const MAX_STEPS: usize = 200_000;
/// Most steps that wait for one another: what repeats an empty text has no end.
const MAX_OPEN: usize = 1000;
/// Highest number of repeats that is taken literally.
const MANY: usize = 4096;

/// Whether upper and lower case are the same: `~*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

/// Whether the expression matches somewhere in `path`; `None` when it uses something that is not
/// known here, or takes too long.
pub(super) fn matches(pattern: &str, path: &str, case: Case) -> Option<bool> {
    let fold = |text: &str| match case {
        Case::Matters => text.to_owned(),
        Case::Ignored => text.to_ascii_lowercase(),
    };
    if pattern.chars().count() > MAX_PATTERN {
        return None;
    }
    // `\S` and `\D` mean another thing in lower case.
    if case == Case::Ignored && pattern.contains('\\') && pattern != fold(pattern) {
        return None;
    }
    let chars: Vec<char> = fold(pattern).chars().collect();
    let mut parser = Parser {
        chars: &chars,
        at: 0,
        depth: 0,
    };
    let tree = parser.choice()?;
    if parser.at < chars.len() {
        return None;
    }
    let text: Vec<char> = fold(path).chars().collect();
    let mut budget = Budget {
        steps: MAX_STEPS,
        open: MAX_OPEN,
    };
    for start in 0..=text.len() {
        if run(&[&tree], &text, start, &mut budget)? {
            return Some(true);
        }
    }
    Some(false)
}

#[derive(Debug, Clone)]
enum Node {
    One(Set),
    Start,
    End,
    /// One of several.
    Choice(Vec<Node>),
    /// One after the other.
    Chain(Vec<Node>),
    Repeat {
        what: Box<Node>,
        least: usize,
        most: usize,
    },
}

#[derive(Debug, Clone)]
struct Set {
    not: bool,
    ranges: Vec<(char, char)>,
}

impl Set {
    fn of(ranges: &[(char, char)]) -> Self {
        Self {
            not: false,
            ranges: ranges.to_vec(),
        }
    }

    fn holds(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, to)| *from <= c && c <= *to) != self.not
    }
}

struct Parser<'p> {
    chars: &'p [char],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn choice(&mut self) -> Option<Node> {
        self.depth = self
            .depth
            .checked_add(1)
            .filter(|depth| *depth <= MAX_GROUPS)?;
        let mut choices = vec![self.chain()?];
        while self.take('|') {
            choices.push(self.chain()?);
        }
        self.depth = self.depth.saturating_sub(1);
        Some(Node::Choice(choices))
    }

    fn chain(&mut self) -> Option<Node> {
        let mut chain = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            let one = self.one()?;
            chain.push(self.repeated(one)?);
        }
        Some(Node::Chain(chain))
    }

    fn one(&mut self) -> Option<Node> {
        Some(match self.next()? {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => Node::One(Set::of(&[('\0', char::MAX)])),
            '[' => Node::One(self.set()?),
            '\\' => Node::One(escaped(self.next()?)?),
            '(' => {
                if self.take('?') {
                    // Groups without a number and with a name; nothing that looks around.
                    if !self.take(':') {
                        self.take('P');
                        if !self.take('<') || matches!(self.peek(), Some('=' | '!')) {
                            return None;
                        }
                        while self.next()? != '>' {}
                    }
                }
                let inner = self.choice()?;
                if !self.take(')') {
                    return None;
                }
                inner
            }
            '*' | '+' | '?' | '{' => return None,
            c => Node::One(Set::of(&[(c, c)])),
        })
    }

    fn repeated(&mut self, one: Node) -> Option<Node> {
        let (least, most) = match self.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                self.next();
                let least = self.number()?;
                let most = if self.take(',') {
                    self.number().unwrap_or(usize::MAX)
                } else {
                    least
                };
                return (self.take('}') && least <= most).then(|| Node::Repeat {
                    what: Box::new(one),
                    least,
                    most,
                });
            }
            _ => return Some(one),
        };
        self.next();
        // Lazy or possessive: whether it matches at all is the same for lazy ones only.
        self.take('?');
        if self.peek() == Some('+') {
            return None;
        }
        Some(Node::Repeat {
            what: Box::new(one),
            least,
            most,
        })
    }

    fn number(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while let Some(digit) = self.peek().filter(char::is_ascii_digit) {
            digits.push(digit);
            self.next();
        }
        digits.parse().ok().filter(|number| *number <= MANY)
    }

    fn set(&mut self) -> Option<Set> {
        let mut set = Set {
            not: self.take('^'),
            ranges: Vec::new(),
        };
        loop {
            let from = match self.next()? {
                ']' if !set.ranges.is_empty() => return Some(set),
                '[' if self.peek() == Some(':') => return None,
                '\\' => {
                    let inner = escaped(self.next()?)?;
                    match inner.ranges.as_slice() {
                        [(one, same)] if one == same && !inner.not => *one,
                        ranges if !inner.not => {
                            set.ranges.extend_from_slice(ranges);
                            continue;
                        }
                        _ => return None,
                    }
                }
                c => c,
            };
            let is_range = self.peek() == Some('-')
                && self
                    .chars
                    .get(self.at.saturating_add(1))
                    .is_some_and(|c| *c != ']');
            let to = if is_range {
                self.next();
                match self.next()? {
                    '\\' => self.next()?,
                    c => c,
                }
            } else {
                from
            };
            set.ranges.push((from, to));
        }
    }
}

fn escaped(c: char) -> Option<Set> {
    const DIGITS: (char, char) = ('0', '9');
    let (not, ranges): (bool, &[(char, char)]) = match c {
        'd' | 'D' => (c == 'D', &[DIGITS]),
        'w' | 'W' => (c == 'W', &[DIGITS, ('a', 'z'), ('A', 'Z'), ('_', '_')]),
        's' | 'S' => (c == 'S', &[(' ', ' '), ('\t', '\r')]),
        c if c.is_ascii_alphanumeric() => return None,
        c => return Some(Set::of(&[(c, c)])),
    };
    Some(Set {
        not,
        ranges: ranges.to_vec(),
    })
}

/// What one match may still use.
struct Budget {
    steps: usize,
    open: usize,
}

/// Whether the nodes, one after the other, match from `at`.
fn run(nodes: &[&Node], text: &[char], at: usize, budget: &mut Budget) -> Option<bool> {
    budget.steps = budget.steps.checked_sub(1)?;
    if nodes.len() > MAX_PATTERN {
        return None;
    }
    budget.open = budget.open.checked_sub(1)?;
    let found = step(nodes, text, at, budget);
    budget.open = budget.open.saturating_add(1);
    found
}

fn step(nodes: &[&Node], text: &[char], at: usize, budget: &mut Budget) -> Option<bool> {
    let Some((first, rest)) = nodes.split_first() else {
        return Some(true);
    };
    match first {
        Node::Start => {
            if at == 0 {
                run(rest, text, at, budget)
            } else {
                Some(false)
            }
        }
        Node::End => {
            if at == text.len() {
                run(rest, text, at, budget)
            } else {
                Some(false)
            }
        }
        Node::One(set) => match text.get(at) {
            Some(c) if set.holds(*c) => run(rest, text, at.saturating_add(1), budget),
            _ => Some(false),
        },
        Node::Chain(chain) => {
            let all: Vec<&Node> = chain.iter().chain(rest.iter().copied()).collect();
            run(&all, text, at, budget)
        }
        Node::Choice(choices) => {
            for choice in choices {
                let all: Vec<&Node> = std::iter::once(choice)
                    .chain(rest.iter().copied())
                    .collect();
                if run(&all, text, at, budget)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        Node::Repeat { what, least, most } => {
            if *least == 0 && run(rest, text, at, budget)? {
                return Some(true);
            }
            // A path is short: more repeats than it has characters add nothing.
            if *most == 0 || (*least == 0 && at >= text.len()) {
                return Some(false);
            }
            let again = Node::Repeat {
                what: what.clone(),
                least: least.saturating_sub(1),
                most: match most {
                    &usize::MAX => usize::MAX,
                    most => most.saturating_sub(1),
                },
            };
            let all: Vec<&Node> = [what.as_ref(), &again]
                .into_iter()
                .chain(rest.iter().copied())
                .collect();
            run(&all, text, at, budget)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_pcre_does() {
        for (pattern, path, expected) in [
            (
                r"/api/v[0-9]+/(users/)?websocket$",
                "/api/v4/websocket",
                Some(true),
            ),
            (
                r"/api/v[0-9]+/(users/)?websocket$",
                "/api/v4/users/websocket",
                Some(true),
            ),
            (
                r"/api/v[0-9]+/(users/)?websocket$",
                "/api/v4/websocket/x",
                Some(false),
            ),
            (r"^/api/v\d{1,2}/websocket", "/api/v4/websocket", Some(true)),
            (r"^/(api|ws)/", "/api/v4/websocket", Some(true)),
            (r"\.(png|jpe?g)$", "/api/v4/websocket", Some(false)),
            (r"^(?!/api)", "/api/v4/websocket", None),
            (r"(a*)*b", "/api/v4/websocket", None),
            (r"[^/]+$", "/api/v4/websocket", Some(true)),
            (r"[[:alpha:]]", "/a", None),
            (r"websocket(", "/a", None),
            (r"x{2", "/a", None),
            (r"[", "/a", None),
            ("", "/a", Some(true)),
        ] {
            assert_eq!(matches(pattern, path, Case::Matters), expected, "{pattern}");
        }
        assert_eq!(matches("/API/", "/api/", Case::Ignored), Some(true));
        assert_eq!(matches("/API/", "/api/", Case::Matters), Some(false));
        assert_eq!(matches(r"\S", "/", Case::Ignored), None);
    }

    #[test]
    fn gives_up_on_expressions_that_take_for_ever() {
        let text = "a".repeat(60);
        assert_eq!(matches("(a|a|aa)+(a|a)+$x", &text, Case::Matters), None);
        assert_eq!(matches(&"(".repeat(200), "a", Case::Matters), None);
        assert_eq!(matches(&"a".repeat(2000), "a", Case::Matters), None);
    }
}
