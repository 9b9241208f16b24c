//! Go's grammar and meaning, and the limits.

use super::*;

fn matches(pattern: &str, subject: &str) -> bool {
    Regexp::compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).is_match(subject)
}

fn fault(pattern: &str) -> String {
    Regexp::compile(pattern).map(|_| pattern.to_owned()).unwrap_err().to_string()
}

#[test]
fn go_refuses_in_these_words() {
    for (pattern, words) in [
        ("[", "missing closing ]: `[`"),
        ("a[b-", "missing closing ]: `[b-`"),
        ("[]a", "missing closing ]: `[]a`"),
        ("[^", "missing closing ]: `[^`"),
        ("x(a", "missing closing ): `x(a`"),
        ("a)b", "unexpected ): `a)b`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*?", "missing argument to repetition operator: `*?`"),
        ("(+)", "missing argument to repetition operator: `+`"),
        ("(?i){2,3}", "missing argument to repetition operator: `{2,3}`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*?+?b", "invalid nested repetition operator: `*?+?`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("a{99999999999,}", "invalid repeat count: `{99999999999,}`"),
        ("((a{10}){10}){11}", "invalid repeat count: `{11}`"),
        ("(?:(a{0}){1000}){2}", "invalid repeat count: `{2}`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("[\\", "trailing backslash at end of expression: ``"),
        ("\\8", "invalid escape sequence: `\\8`"),
        ("\\C", "invalid escape sequence: `\\C`"),
        ("\\x4", "invalid escape sequence: `\\x4`"),
        ("\\x{}", "invalid escape sequence: `\\x{}`"),
        ("\\x{110000}", "invalid escape sequence: `\\x{110000`"),
        ("\\u0041", "invalid escape sequence: `\\u`"),
        ("[\\b]", "invalid escape sequence: `\\b`"),
        ("[a-\\d]", "invalid escape sequence: `\\d`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        ("[a--b]", "invalid character class range: `a--`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("\\p{Foo}x", "invalid character class range: `\\p{Foo}`"),
        ("\\p{Foo", "invalid character class range: `\\p{Foo`"),
        ("\\pX", "invalid character class range: `\\pX`"),
        ("\\p", "invalid character class range: `\\p`"),
        ("\\p{Old_Italic}", "invalid character class range: `\\p{Old_Italic}`"),
        ("(?x)a b", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?", "invalid or unsupported Perl syntax: `(?`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
        ("(?P<>a)", "invalid named capture: `(?P<>`"),
        ("(?<n-m>a)", "invalid named capture: `(?<n-m>`"),
        ("(?<!a)b", "invalid named capture: `(?<!a)b`"),
    ] {
        assert_eq!(fault(pattern), format!("error parsing regexp: {words}"), "{pattern}");
    }
}

#[test]
fn characters_that_look_like_syntax() {
    for (pattern, subject) in [
        ("a{", "a{"),
        ("a{,2}", "a{,2}"),
        ("a{01}", "a{01}"),
        ("a{1,02}", "a{1,02}"),
        ("a{2", "a{2"),
        ("}", "}"),
        ("]", "]"),
        ("[[]", "["),
        ("[[a]]", "a]"),
        ("[]a]", "]"),
        ("[a&&b]", "&"),
        ("[a~~b]", "~"),
        ("[+--]", ","),
        ("[a-]", "-"),
        ("[-a]", "-"),
        ("[\\d-z]", "-"),
        ("[[:x]", ":"),
        ("\\Qa.b*\\E", "a.b*"),
        ("\\Qab\\E+$", "abbb"),
        ("a\\Q\\E*b", "b"),
        ("\\101\\0\\12", "A\0\n"),
        ("\\x41\\x{42}", "AB"),
        ("\\_\\@\\/", "_@/"),
        ("\\a\\f\\n\\r\\t\\v", "\u{7}\u{c}\n\r\t\u{b}"),
        ("#", "#"),
        (" ", " "),
        ("\u{e9}", "\u{e9}"),
        ("(?P<n>a)(?<n2>b)", "ab"),
        ("(?)a", "a"),
        ("()*", ""),
        ("^*", ""),
        ("(?i)a(?-i:b)", "Ab"),
        ("a(?i)b|c", "C"),
        ("(?U)a+", "aa"),
    ] {
        assert!(matches(&format!("^(?:{pattern})"), subject), "{pattern}");
    }
    // Without its end, a quotation goes to the end of the pattern.
    assert!(matches("\\Q(\\", "(\\"));
}

#[test]
fn ascii_where_rust_would_say_unicode() {
    assert!(!matches("\\d", "\u{663}"));
    assert!(!matches("\\w", "\u{e9}"));
    assert!(!matches("\\s", "\u{a0}\u{b}"));
    assert!(matches("\\S", "\u{b}"));
    assert!(matches("[[:space:]]", "\u{b}"));
    assert!(matches("a\\b", "a\u{e9}"));
    assert!(!matches("a\\B", "a\u{e9}"));
    assert!(matches("^\\B$", ""));
    // Between the two bytes of the accented letter there is no place for a match.
    assert!(!matches("\\B", "a\u{e9}b"));
    assert!(matches("\\B", "a\u{e9}\u{e9}b"));
    assert!(matches("\\B|z", "z\u{e9}") && matches("x?\\B", "ab"));
}

#[test]
fn folding_is_gos() {
    for (pattern, subject) in [
        ("(?i)k", "\u{212a}"),
        ("(?i)\u{212a}", "k"),
        ("(?i)s", "\u{17f}"),
        ("(?i)\\w", "\u{17f}"),
        ("(?i)[[:alpha:]]", "\u{212a}"),
        ("(?i)\\p{Lu}", "a"),
        ("(?i)\u{3b8}", "\u{3f4}"),
        ("(?i)[x-z]", "Y"),
        ("(?i)\\x{1e9e}", "\u{df}"),
    ] {
        assert!(matches(pattern, subject), "{pattern} {subject}");
    }
    for (pattern, subject) in [
        ("(?i)i", "\u{130}"),
        ("(?i)i", "\u{131}"),
        ("(?i)stra\u{df}e", "STRASSE"),
        ("(?i)\\W", "\u{17f}"),
        ("(?i)[^k]", "\u{212a}"),
        ("(?i)\\P{Lu}", "a"),
        // Partners since Unicode 15.1 and 16.0; Go has 15.0.
        ("(?i)\u{fb05}", "\u{fb06}"),
        ("(?i)\u{390}", "\u{1fd3}"),
        ("(?i)\u{264}", "\u{a7cb}"),
        ("\\pL", "\u{a7cb}"),
        ("k", "K"),
    ] {
        assert!(!matches(pattern, subject), "{pattern} {subject}");
    }
}

#[test]
fn line_ends_and_nul() {
    assert!(!matches("^a$", "a\n"));
    assert!(!matches("a.b", "a\nb"));
    assert!(matches("(?s)a.b", "a\nb"));
    assert!(matches("(?m)^b$", "a\nb\nc"));
    assert!(!matches("(?m)\\Ab\\z", "a\nb\nc"));
    assert!(matches("[^a]", "\n"));
    assert!(matches("a.b", "a\0b"));
    assert!(matches("\\x00", "\0"));
    assert!(matches("(?m)$", "\n"));
}

#[test]
fn surrogates_match_nothing() {
    assert!(!matches("\\x{D800}", "\u{fffd}"));
    assert!(!matches("[\\x{D800}-\\x{DFFF}]", "\u{d7ff}\u{e000}"));
    assert!(matches("[^\\x{D800}]", "a"));
    assert!(!matches("[^\\x{0}-\\x{10FFFF}]", "a"));
    assert!(matches("\\x{D800}*", ""));
}

#[test]
fn limits_refuse_by_name() {
    let open = |n: usize, inner: &str| "(".repeat(n) + inner + &")".repeat(n);
    assert!(Regexp::compile(&open(200, "a*|b")).is_ok());
    assert_eq!(Regexp::compile(&open(300, "a")), Err(RegexpFault::Depth { limit: MAX_DEPTH }));
    assert_eq!(Regexp::compile(&"(".repeat(MAX_PATTERN)), Err(RegexpFault::Depth { limit: MAX_DEPTH }));
    let stars = "(?:".repeat(300) + "a" + &")*".repeat(300);
    assert_eq!(Regexp::compile(&stars), Err(RegexpFault::Depth { limit: MAX_DEPTH }));
    let length = Regexp::compile(&"a".repeat(MAX_PATTERN + 1));
    assert_eq!(length, Err(RegexpFault::Length { found: MAX_PATTERN + 1, limit: MAX_PATTERN }));
    assert!(Regexp::compile(&"a".repeat(MAX_PATTERN)).is_ok());
    let long = format!("(?:{}){{1000}}", "ab".repeat(100));
    assert_eq!(Regexp::compile(&long), Err(RegexpFault::Instructions { limit: MAX_INSTRUCTIONS }));
    let empty = format!("(?:{}){{1000}}", "^".repeat(5000));
    assert_eq!(Regexp::compile(&empty), Err(RegexpFault::Instructions { limit: MAX_INSTRUCTIONS }));
    assert!(matches!(Regexp::compile("\\pL{1000}"), Err(RegexpFault::Program { .. })));
    assert_eq!(Regexp::compile(&"\\pL".repeat(5000)), Err(RegexpFault::Classes));
    assert_eq!(Regexp::compile(&format!("[{}]", "\\PL".repeat(5000))), Err(RegexpFault::Classes));
    assert_eq!(
        Regexp::compile(&format!("(?i)[{}]", "\0-\u{10FFFF}".repeat(2500))),
        Err(RegexpFault::Classes)
    );
    assert!(matches("^[a-z]{1,1000}$", &"a".repeat(1000)));
}
