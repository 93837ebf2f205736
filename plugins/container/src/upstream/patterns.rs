//! Which tags are synced: lists of patterns, in which `*` stands for any number of characters and `?` for one.

/// Whether a name is among those that are wanted: one of `includes` fits (all do, if there are none), and none of
/// `excludes`.
pub(crate) fn wanted(name: &str, includes: &[String], excludes: &[String]) -> bool {
    let among = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, name));
    (includes.is_empty() || among(includes)) && !among(excludes)
}

/// Whether a pattern fits a name, in time that grows with the product of their lengths.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on if what follows the last star does not fit: the star, and how much it stands for by then.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_number_of_characters_and_question_marks_for_one() {
        for (pattern, name) in
            [("latest", "latest"), ("1.*", "1.2.3"), ("*", ""), ("*-alpine*", "3-alpine"), ("v?", "v1")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("latest", "latest2"), ("1.*", "2.1"), ("v?", "v"), ("v?", "v12"), ("a*b*c", "acb"), ("", "a")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(40), &"a".repeat(30)));
    }

    #[test]
    fn what_is_excluded_is_not_wanted() {
        let list = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        assert!(wanted("latest", &[], &[]));
        assert!(wanted("1.2", &list(&["1.*"]), &list(&["*-rc"])));
        assert!(!wanted("1.2-rc", &list(&["1.*"]), &list(&["*-rc"])));
        assert!(!wanted("2", &list(&["1.*", "3"]), &[]));
    }
}
