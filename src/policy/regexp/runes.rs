//! Sets of characters as Go sees them: Unicode 15.0, simple case folding.
//!
//! | rule | source (Go 1.25 and 1.26) |
//! |---|---|
//! | categories, scripts and folding orbits are those of Unicode 15.0 | `unicode.Version` |
//! | names are compared without `_`, `-` and space, first letter upper case; scripts whose own spelling differs from that (`Old_Italic`) cannot be named | `regexp/syntax`, `canonicalName` |
//! | `Any`, `Assigned`, `ASCII`, `LC` and the long names of categories | `unicodeTable` |
//! | `LC` is never folded | `unicode.FoldCategory` |
//! | `\d \w \s` and POSIX classes are ASCII; folded, `\w` also holds U+017F and U+212A | `perl_groups.go`, `appendGroup` |
//!
//! The tables are `regex-syntax`'s of Unicode 16.0, brought back to 15.0: cut to what 15.0 assigns, U+1171E moved from Mc to Mn, and
//! without the three folding pairs that 15.1 added. A test pins all of them to the digest of Go's own tables, so an update of the
//! crate that changes a table fails there. Surrogates are left out: no subject holds one.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Ranges of characters in any order, both ends included.
pub(super) type Runes = Vec<ClassUnicodeRange>;

/// U+1171E AHOM CONSONANT SIGN MEDIAL RA: Mn in Unicode 15.0, Mc in 16.0.
const MOVED: char = '\u{1171E}';

/// Code points that got a folding partner in Unicode 15.1, each other's in pairs.
const NOT_YET_FOLDED: [char; 6] = ['\u{390}', '\u{3B0}', '\u{1FD3}', '\u{1FE3}', '\u{FB05}', '\u{FB06}'];

#[rustfmt::skip]
const CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Cn", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
];

#[rustfmt::skip]
const CATEGORY_NAMES: [(&str, &str); 42] = [
    ("Casedletter", "LC"), ("Closepunctuation", "Pe"), ("Cntrl", "Cc"), ("Combiningmark", "M"), ("Connectorpunctuation", "Pc"),
    ("Control", "Cc"), ("Currencysymbol", "Sc"), ("Dashpunctuation", "Pd"), ("Decimalnumber", "Nd"), ("Digit", "Nd"),
    ("Enclosingmark", "Me"), ("Finalpunctuation", "Pf"), ("Format", "Cf"), ("Initialpunctuation", "Pi"), ("Letter", "L"),
    ("Letternumber", "Nl"), ("Lineseparator", "Zl"), ("Lowercaseletter", "Ll"), ("Mark", "M"), ("Mathsymbol", "Sm"),
    ("Modifierletter", "Lm"), ("Modifiersymbol", "Sk"), ("Nonspacingmark", "Mn"), ("Number", "N"), ("Openpunctuation", "Ps"),
    ("Other", "C"), ("Otherletter", "Lo"), ("Othernumber", "No"), ("Otherpunctuation", "Po"), ("Othersymbol", "So"),
    ("Paragraphseparator", "Zp"), ("Privateuse", "Co"), ("Punct", "P"), ("Punctuation", "P"), ("Separator", "Z"),
    ("Spaceseparator", "Zs"), ("Spacingmark", "Mc"), ("Surrogate", "Cs"), ("Symbol", "S"), ("Titlecaseletter", "Lt"),
    ("Unassigned", "Cn"), ("Uppercaseletter", "Lu"),
];

#[rustfmt::skip]
const SCRIPTS: [&str; 117] = [
    "Adlam", "Ahom", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum", "Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi",
    "Braille", "Buginese", "Buhid", "Carian", "Chakma", "Cham", "Cherokee", "Chorasmian", "Common", "Coptic", "Cuneiform", "Cypriot",
    "Cyrillic", "Deseret", "Devanagari", "Dogra", "Duployan", "Elbasan", "Elymaic", "Ethiopic", "Georgian", "Glagolitic", "Gothic",
    "Grantha", "Greek", "Gujarati", "Gurmukhi", "Han", "Hangul", "Hanunoo", "Hatran", "Hebrew", "Hiragana", "Inherited", "Javanese",
    "Kaithi", "Kannada", "Katakana", "Kawi", "Kharoshthi", "Khmer", "Khojki", "Khudawadi", "Lao", "Latin", "Lepcha", "Limbu", "Lisu",
    "Lycian", "Lydian", "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen", "Medefaidrin", "Miao", "Modi",
    "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean", "Nandinagari", "Newa", "Nko", "Nushu", "Ogham", "Oriya", "Osage",
    "Osmanya", "Palmyrene", "Phoenician", "Rejang", "Runic", "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "Sinhala",
    "Sogdian", "Soyombo", "Sundanese", "Syriac", "Tagalog", "Tagbanwa", "Takri", "Tamil", "Tangsa", "Tangut", "Telugu", "Thaana",
    "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai", "Vithkuqi", "Wancho", "Yezidi", "Yi",
];

/// One range.
pub(super) fn range(low: char, high: char) -> ClassUnicodeRange {
    ClassUnicodeRange::new(low, high)
}

/// Code points `low` to `high` without the surrogates among them: two ranges at most.
pub(super) fn code_points(low: u32, high: u32) -> Runes {
    let part = |low: u32, high: u32| {
        let (low, high) = (char::from_u32(low)?, char::from_u32(high)?);
        (low <= high).then(|| range(low, high))
    };
    let below = part(low.min(0xE000), high.min(0xD7FF)).filter(|_| low <= 0xD7FF);
    let above = part(low.max(0xE000), high).filter(|_| high >= 0xE000);
    below.into_iter().chain(above).collect()
}

/// All characters that `runes` does not hold.
pub(super) fn negated(runes: Runes) -> Runes {
    let mut class = ClassUnicode::new(runes);
    class.negate();
    class.ranges().to_vec()
}

/// Folding, with what it takes: the tables it needs are looked up once for each pattern.
#[derive(Debug)]
pub(super) struct Folding {
    /// Every code point that has a partner in Unicode 15.0, and a few more.
    cased: ClassUnicode,
    assigned: ClassUnicode,
}

impl Folding {
    pub(super) fn new() -> Self {
        let assigned = assigned();
        let mut cased = class(r"[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}]");
        cased.intersect(&assigned);
        cased.difference(&ClassUnicode::new(NOT_YET_FOLDED.map(|c| range(c, c))));
        Self { cased, assigned }
    }

    /// `runes` and everything that differs from one of them by case only; and how many code points had to be looked up.
    pub(super) fn fold(&self, runes: Runes) -> (Runes, usize) {
        let mut partners = ClassUnicode::new(runes.iter().copied());
        partners.intersect(&self.cased);
        let cost = partners.ranges().iter().map(ClassUnicodeRange::len).sum();
        if cost == 0 {
            return (runes, 0);
        }
        // Cannot fail: the tables are compiled in. Were they missing, nothing would be folded and the pin test would say so.
        let _ = partners.try_case_fold_simple();
        partners.intersect(&self.assigned);
        let mut folded = runes;
        folded.extend_from_slice(partners.ranges());
        (folded, cost)
    }
}

/// A class that `\p{…}` names.
#[derive(Debug)]
pub(super) struct Named {
    /// What it holds.
    pub(super) runes: Runes,
    /// Whether `(?i)` widens it.
    pub(super) folds: bool,
}

/// The class of a name in `\p{name}`, without a leading `^`; nothing for a name that Go does not know.
pub(super) fn named(name: &str) -> Option<Named> {
    let name = canonical(name);
    let found = |class: &ClassUnicode, folds| Some(Named { runes: class.ranges().to_vec(), folds });
    match name.as_str() {
        "Any" => return Some(Named { runes: code_points(0, 0x0010_FFFF), folds: true }),
        "Ascii" => return Some(Named { runes: code_points(0, 0x7F), folds: true }),
        "Assigned" => {
            let mut class = category("Cn");
            class.negate();
            return found(&class, true);
        }
        "Lc" => return found(&category("LC"), false),
        _ => {}
    }
    if CATEGORIES.contains(&name.as_str()) {
        return found(&category(&name), true);
    }
    if SCRIPTS.contains(&name.as_str()) {
        return found(&script(&name), true);
    }
    let (_, actual) = CATEGORY_NAMES.iter().find(|(long, _)| *long == name)?;
    found(&category(actual), *actual != "LC")
}

/// `\d`, `\s`, `\w` by their letter.
pub(super) fn perl(letter: char) -> Option<&'static [(char, char)]> {
    Some(match letter {
        'd' => &[('0', '9')],
        's' => &[('\t', '\n'), ('\u{C}', '\r'), (' ', ' ')],
        'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    })
}

/// A POSIX class by the name between `[:` and `:]`, without a leading `^`.
pub(super) fn posix(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\u{7F}')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\u{1F}'), ('\u{7F}', '\u{7F}')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

fn canonical(name: &str) -> String {
    let mut canonical = String::with_capacity(name.len());
    for c in name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')) {
        canonical.push(if canonical.is_empty() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
    canonical
}

fn assigned() -> ClassUnicode {
    class(r"\p{Age=15.0}")
}

fn category(name: &str) -> ClassUnicode {
    match name {
        "Cs" => return ClassUnicode::empty(),
        "Cn" | "C" => {
            let mut class = class(if name == "C" { r"\p{C}" } else { r"\p{Cn}" });
            let mut later = assigned();
            later.negate();
            class.union(&later);
            return class;
        }
        _ => {}
    }
    let mut class = class(&format!(r"\p{{gc={name}}}"));
    class.intersect(&assigned());
    let moved = ClassUnicode::new([range(MOVED, MOVED)]);
    match name {
        "Mn" => class.union(&moved),
        "Mc" => class.difference(&moved),
        _ => {}
    }
    class
}

fn script(name: &str) -> ClassUnicode {
    let mut class = class(&format!(r"\p{{sc={name}}}"));
    class.intersect(&assigned());
    class
}

/// The class that a pattern of our own stands for; the pin test would notice an empty one.
fn class(pattern: &str) -> ClassUnicode {
    match regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => class,
        // A class of one character comes back as a literal.
        Ok(HirKind::Literal(literal)) => {
            let text = std::str::from_utf8(&literal.0).unwrap_or_default();
            ClassUnicode::new(text.chars().map(|c| range(c, c)))
        }
        _ => ClassUnicode::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// SHA-256 over the tables of Go 1.26 (Unicode 15.0.0), in the form that the test below writes: a line for each category
    /// and each nameable script, sorted by its key in package `unicode`, then one for each code point with a folding orbit. There
    /// are no surrogates in it, and ranges that meet where they were are one.
    const GO_TABLES: &str = "05292c4dfa7c0b6c7952237b8f64f68ca9404ee0ec18cde80688a3c170de27fe";

    #[test]
    fn every_table_is_gos() {
        let mut text = String::new();
        let mut write = |name: &str, class: &ClassUnicode| {
            let ranges =
                class.ranges().iter().map(|r| format!("{:x}-{:x}", u32::from(r.start()), u32::from(r.end())));
            writeln!(text, "{name} {}", ranges.collect::<Vec<_>>().join(",")).unwrap();
        };
        let mut categories = CATEGORIES.to_vec();
        categories.push("LC");
        categories.sort_unstable();
        for name in categories {
            write(name, &category(name));
        }
        for name in SCRIPTS {
            write(name, &script(name));
        }
        let folding = Folding::new();
        for c in '\0'..=char::MAX {
            let (folded, _) = folding.fold(vec![range(c, c)]);
            let class = ClassUnicode::new(folded);
            let others = class.ranges().iter().flat_map(|r| r.start()..=r.end()).filter(|o| *o != c);
            let others = others.map(|o| format!("{:x}", u32::from(o))).collect::<Vec<_>>();
            if !others.is_empty() {
                writeln!(text, "{:x} {}", u32::from(c), others.join(",")).unwrap();
            }
        }
        assert_eq!(hex::encode(crate::crypto::sha256(text.as_bytes())), GO_TABLES);
    }

    #[test]
    fn names_are_gos() {
        for good in [
            "L",
            "Lu",
            "lu",
            "LC",
            "lc",
            "cased letter",
            "Letter",
            "uppercase_letter",
            "Greek",
            "greek",
            "any",
            "ASCII",
            "Assigned",
        ] {
            assert!(named(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "Foo",
            "Old_Italic",
            "SignWriting",
            "Grek",
            "Garay",
            "Script=Greek",
            "gc=L",
            "L&",
            "Alphabetic",
            "IsGreek",
            "\u{e9}",
        ] {
            assert!(named(bad).is_none(), "{bad}");
        }
        assert!(!named("LC").unwrap().folds);
        assert!(named("Cs").unwrap().runes.is_empty());
    }

    #[test]
    fn surrogates_are_left_out() {
        assert_eq!(code_points(0xD800, 0xDFFF), vec![]);
        assert_eq!(code_points(0xD800, 0xE000), vec![range('\u{E000}', '\u{E000}')]);
        assert_eq!(code_points(0x41, 0xDABC), vec![range('A', '\u{D7FF}')]);
        assert_eq!(code_points(0, 0x10_FFFF), vec![range('\0', '\u{D7FF}'), range('\u{E000}', char::MAX)]);
        assert_eq!(code_points(0x41, 0x42), vec![range('A', 'B')]);
        assert_eq!(code_points(0x1F600, 0x1F601), vec![range('\u{1F600}', '\u{1F601}')]);
    }
}
