//! Whether a rule is out of reach is decided: never said wrongly, and said
//! where automata can tell.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::language::Languages;
use super::{CONTRADICTION, UNREACHABLE};
use crate::rules::{Matcher, RuleSet, SourceFile, matcher};

/// Codes of what is said of the last of these rules.
fn said_of_last(matches: &[&str], continues: bool) -> Vec<&'static str> {
    let mut text = "{chats: {sre: oc_sre}, rules: [".to_owned();
    let last = matches.len();
    for (n, matcher) in (1..).zip(matches) {
        let goes_on = continues && n < last;
        writeln!(text, "{{name: r{n}, match: '{matcher}', chat: sre, continue: {goes_on}}},").unwrap();
    }
    text += "]}";
    let (_, warnings) = RuleSet::load(&[SourceFile { path: "a.yaml", text: &text }]).unwrap();
    let named = format!("rule \"r{last}\"");
    warnings.iter().filter(|w| w.message.starts_with(&named)).map(|w| w.code).collect()
}

#[test]
fn inclusion_is_decided_for_values_sets_and_expressions() {
    for (earlier, later, expected) in [
        (r#"a="x""#, r#"a="x", b="y""#, &[UNREACHABLE][..]),
        (r#"a="x""#, r#"a="y""#, &[]),
        (r#"a="x", c="z""#, r#"a="x""#, &[]),
        (r#"a=~"x|y""#, r#"a="y""#, &[UNREACHABLE]),
        (r#"a=~"x|y""#, r#"a=~"x|z""#, &[]),
        (r#"a!="x""#, r#"a="y""#, &[UNREACHABLE]),
        (r#"a!="x""#, r#"a=~".*""#, &[]),
        (r#"a!~"x|y""#, r#"a!~"x|y|z""#, &[UNREACHABLE]),
        (r#"a=~".+""#, r#"a!="""#, &[UNREACHABLE]),
        (r#"a!="""#, r#"a=~".+""#, &[UNREACHABLE]),
        (r#"a=~"web-.*""#, r#"a=~"web-[0-9]+""#, &[UNREACHABLE]),
        (r#"a=~"web-[0-9]+""#, r#"a=~"web-.*""#, &[]),
        (r#"a=~"[^0-9]*""#, r#"a!~".*[0-9].*""#, &[UNREACHABLE]),
        (r#"a=~"(a|b)*""#, r#"a=~"(a*b*)*""#, &[UNREACHABLE]),
        (r#"a=~"(?i)prod""#, r#"a=~"PR(O|o)D""#, &[UNREACHABLE]),
        (r#"a=~"x.*|[^x].*|""#, r#"b="y""#, &[UNREACHABLE]),
        (r#"a=~"x.*|[^x].*""#, r#"b="y""#, &[]),
        (r#"a=~"支付.*""#, r#"a=~"支付(失败)?""#, &[UNREACHABLE]),
        (r#"a=~"ab+", a=~".*b""#, r#"a=~"abb*""#, &[UNREACHABLE]),
        (r#"b="never""#, r#"a=~"x.*", a=~"y.*""#, &[CONTRADICTION]),
        (r#"b="never""#, r#"a="x", a!="x""#, &[CONTRADICTION]),
        // A Unicode word boundary makes no automaton: nothing is said.
        (r#"a=~"\\bx.*""#, r#"a=~"\\bxy""#, &[]),
        // Too large for one.
        (r#"a=~"(\\w|-)*x\\w{1,9}""#, r#"a=~"\\w*x\\w{9}""#, &[]),
    ] {
        let earlier = earlier.replace('\'', "''");
        assert_eq!(said_of_last(&[&earlier, later], false), expected, "{earlier} before {later}");
        let through: Vec<_> = expected.iter().filter(|code| **code != UNREACHABLE).copied().collect();
        assert_eq!(said_of_last(&[&earlier, later], true), through, "{earlier} goes on to {later}");
    }
}

#[test]
fn many_rules_do_not_use_up_what_deciding_may_take() {
    let rules: Vec<String> =
        (0..1_000).map(|n| format!("{{name: r{n}, match: 'a=~\"[a-z]+-{n}-.+\"', chat: sre}}")).collect();
    let text = format!("{{chats: {{sre: oc_sre}}, rules: [{}, {{name: z, chat: sre}}]}}", rules.join(",\n"));
    let (_, warnings) = RuleSet::load(&[SourceFile { path: "a.yaml", text: &text }]).unwrap();
    assert_eq!(warnings, []);
}

fn expression() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["a", "b", "ab", ".", "[ab]", "[^a]", "", "(?i:A)"]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| format!("({})", parts.join("|"))),
            (inner, prop::sample::select(vec!["*", "+", "?", "{2}"]))
                .prop_map(|(inner, times)| format!("(?:{inner}){times}")),
        ]
    })
}

fn a_matcher() -> impl Strategy<Value = Matcher> {
    prop_oneof![
        (prop::sample::select(vec!["=~", "!~"]), expression()),
        (prop::sample::select(vec!["=", "!="]), "[ab]{0,2}".prop_map(String::from)),
    ]
    .prop_map(|(op, value)| matcher::parse(&format!("x{op}{value:?}")).unwrap().remove(0))
}

/// All texts of up to four letters.
fn texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut longest = texts.clone();
    for _ in 0..4 {
        longest = longest.iter().flat_map(|t| ["a", "b", "A", "é"].map(|c| format!("{t}{c}"))).collect();
        texts.extend(longest.clone());
    }
    texts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_automata_say_agrees_with_trying(
        one in a_matcher(),
        passed in prop::collection::vec(a_matcher(), 0..3),
    ) {
        let passed: Vec<&Matcher> = passed.iter().collect();
        let mut languages = Languages::default();
        let passes = |text: &String| passed.iter().all(|m| m.matches(text));
        let texts = texts();
        let exception = texts.iter().find(|text| passes(text) && !one.matches(text));
        let said = languages.includes(&one, &passed).unwrap();
        prop_assert!(!(said && exception.is_some()), "{} passes {:?} but not {}", exception.unwrap(), passed, one);
        let example = texts.iter().find(|text| passes(text));
        let empty = languages.contradict(&passed).unwrap();
        prop_assert!(!(empty && example.is_some()), "{} passes {:?}", example.unwrap(), passed);
        // What holds of nothing holds of everything.
        prop_assert!(!empty || said);
    }
}
