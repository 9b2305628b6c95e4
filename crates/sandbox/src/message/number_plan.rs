//! What a number tells by its digits: its country.

use inlet_telnyx::PhoneNumber;

/// Calling codes and the countries behind them (ITU-T E.164, the commoner ones). Codes are prefix-free.
const COUNTRIES: &[(&str, &[&str])] = &[
    ("1", &["US", "CA", "PR", "JM", "DO", "BS", "TT"]),
    ("20", &["EG"]),
    ("27", &["ZA"]),
    ("30", &["GR"]),
    ("31", &["NL"]),
    ("32", &["BE"]),
    ("33", &["FR"]),
    ("34", &["ES"]),
    ("351", &["PT"]),
    ("353", &["IE"]),
    ("358", &["FI"]),
    ("36", &["HU"]),
    ("39", &["IT", "VA"]),
    ("40", &["RO"]),
    ("41", &["CH"]),
    ("420", &["CZ"]),
    ("43", &["AT"]),
    ("44", &["GB", "GG", "IM", "JE"]),
    ("45", &["DK"]),
    ("46", &["SE"]),
    ("47", &["NO"]),
    ("48", &["PL"]),
    ("49", &["DE"]),
    ("52", &["MX"]),
    ("54", &["AR"]),
    ("55", &["BR"]),
    ("56", &["CL"]),
    ("57", &["CO"]),
    ("60", &["MY"]),
    ("61", &["AU"]),
    ("62", &["ID"]),
    ("63", &["PH"]),
    ("64", &["NZ"]),
    ("65", &["SG"]),
    ("66", &["TH"]),
    ("7", &["RU", "KZ"]),
    ("81", &["JP"]),
    ("82", &["KR"]),
    ("84", &["VN"]),
    ("852", &["HK"]),
    ("86", &["CN"]),
    ("90", &["TR"]),
    ("91", &["IN"]),
    ("971", &["AE"]),
    ("972", &["IL"]),
];

/// Whether a profile may send to a number. `*` allows all; a number of an unlisted country needs it.
pub(crate) fn is_allowed(number: &PhoneNumber, whitelist: &[String]) -> bool {
    whitelist.iter().any(|entry| entry == "*" || countries(number).contains(&entry.as_str()))
}

/// The country that a number most likely belongs to, where its calling code is known.
pub(crate) fn country(number: &PhoneNumber) -> Option<&'static str> {
    countries(number).first().copied()
}

/// Whether a number is of a country.
pub(crate) fn is_in(number: &PhoneNumber, country: &str) -> bool {
    countries(number).contains(&country)
}

/// Whether a number is of the United States, Canada or one of their neighbours in the plan.
pub(crate) fn is_north_american(number: &str) -> bool {
    number.starts_with("+1")
}

/// The area code of a North American number.
pub(crate) fn area_code(number: &str) -> Option<&str> {
    number.strip_prefix("+1")?.get(..3)
}

fn countries(number: &PhoneNumber) -> &'static [&'static str] {
    let digits = &number.as_str()[1..];
    COUNTRIES.iter().find(|(code, _)| digits.starts_with(code)).map_or(&[], |(_, countries)| countries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whitelist_allows_its_countries_and_a_star_allows_all() {
        let number: PhoneNumber = "+4915112345678".parse().unwrap();
        assert!(is_allowed(&number, &["US".into(), "DE".into()]));
        assert!(is_allowed(&number, &["*".into()]));
        assert!(!is_allowed(&number, &["US".into()]));
    }

    #[test]
    fn no_calling_code_is_the_beginning_of_another() {
        for (index, (one, _)) in COUNTRIES.iter().enumerate() {
            assert!(COUNTRIES.iter().skip(index + 1).all(|(other, _)| !other.starts_with(one)));
        }
    }
}
