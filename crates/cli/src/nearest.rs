//! Finds the word that a mistyped one was probably meant to be.

/// The known word that is nearest, unless even that is another word altogether.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|word| (distance(name, word), word)).min()?;
    // A third of the letters wrong is another word, not a slip.
    if near.0 <= 1.max(near.1.len() / 3) { Some(near.1) } else { None }
}

/// Letters to insert, delete or replace to turn one word into another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other_letter) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other_letter);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = || ["message.received", "message.sent"].into_iter();
        assert_eq!(nearest("message.recieved", known()), Some("message.received"));
        assert_eq!(nearest("elephant", known()), None);
    }
}
