//! Typing errors in the domains of the large mailbox providers.

/// A provider: its name, the endings of its domains, and whether the name is a word. Words that differ in one letter are
/// domains of other people.
type Provider = (&'static str, &'static [&'static str], bool);

const COUNTRIES: &[&str] = &[
    "com", "ar", "at", "be", "ca", "ch", "cl", "co.id", "co.il", "co.in", "co.jp", "co.kr",
    "co.nz", "co.th", "co.uk", "co.za", "com.ar", "com.au", "com.br", "com.mx", "com.tr", "com.vn",
    "cz", "de", "dk", "es", "fi", "fr", "gr", "hu", "ie", "in", "it", "jp", "nl", "no", "pl", "pt",
    "ro", "ru", "se", "sk",
];

const PROVIDERS: &[Provider] = &[
    // Worldwide.
    ("gmail", &["com"], false),
    ("googlemail", &["com"], false),
    ("yahoo", COUNTRIES, false),
    ("ymail", &["com"], false),
    ("rocketmail", &["com"], false),
    ("hotmail", COUNTRIES, false),
    ("outlook", COUNTRIES, false),
    ("live", COUNTRIES, true),
    ("msn", &["com"], true),
    ("icloud", &["com"], false),
    ("me", &["com"], true),
    ("mac", &["com"], true),
    ("aol", COUNTRIES, true),
    ("mail", &["com", "ru", "bg", "ee"], true),
    ("email", &["com", "cz"], true),
    ("proton", &["me"], true),
    ("protonmail", &["com", "ch"], false),
    ("fastmail", &["com", "fm"], true),
    ("zoho", &["com", "eu"], true),
    ("yandex", &["com", "ru", "ua", "kz", "by"], false),
    // Poland.
    ("wp", &["pl", "eu"], true),
    ("o2", &["pl", "co.uk"], true),
    ("onet", &["pl", "eu", "com.pl"], true),
    ("op", &["pl"], true),
    ("vp", &["pl"], true),
    ("tlen", &["pl"], true),
    ("go2", &["pl"], true),
    ("interia", &["pl", "eu", "com"], true),
    ("gazeta", &["pl"], true),
    ("poczta", &["fm", "pl"], true),
    ("buziaczek", &["pl"], false),
    // Germany, Austria, Switzerland.
    (
        "gmx",
        &[
            "de", "net", "com", "at", "ch", "eu", "org", "info", "biz", "fr", "es", "it", "us",
            "co.uk", "li",
        ],
        true,
    ),
    ("web", &["de"], true),
    ("freenet", &["de"], true),
    ("t-online", &["de"], false),
    ("arcor", &["de"], true),
    ("bluewin", &["ch"], false),
    // France, Italy, Spain.
    ("orange", &["fr", "es"], true),
    ("wanadoo", &["fr", "es"], false),
    ("free", &["fr"], true),
    ("laposte", &["net"], false),
    ("sfr", &["fr"], true),
    ("libero", &["it"], true),
    ("virgilio", &["it"], false),
    ("alice", &["it"], true),
    ("tiscali", &["it"], false),
    // Czechia, Slovakia.
    ("seznam", &["cz"], true),
    ("centrum", &["cz", "sk"], true),
    ("azet", &["sk"], true),
    // Others with many users.
    ("comcast", &["net"], false),
    ("verizon", &["net"], true),
    ("sbcglobal", &["net"], false),
    ("bellsouth", &["net"], false),
    ("btinternet", &["com"], false),
    ("rambler", &["ru"], true),
];

/// Typing errors in endings. None of them is a top-level domain.
const ENDINGS: &[(&str, &[&str])] = &[
    (
        "com",
        &[
            "con", "cmo", "ocm", "vom", "xom", "comm", "coom", "ccom", "cpm", "clm", "cim", "cok",
            "cop", "coma", "c0m", "conm", "ocom",
        ],
    ),
    ("pl", &["lp", "ol", "p", "pll", "ppl", "po", "plk"]),
    ("de", &["d", "dee", "dde"]),
    ("fr", &["rf", "frr"]),
    ("it", &["itt", "ti"]),
    ("net", &["nte", "ent", "nett", "ner"]),
];

/// Top-level domains that hardly anybody with such an address means.
const RARE: [&str; 3] = ["co", "cm", "om"];

/// The provider's domain that is probably meant by a domain in lower-case A-labels.
pub(super) fn meant(domain: &str) -> Option<String> {
    match domain {
        "02.pl" => return Some("o2.pl".to_owned()),
        domain if domain.starts_with("gmail.com.") => return Some("gmail.com".to_owned()),
        _ => {}
    }
    let (name, ending) = domain.split_once('.')?;
    let mut found = None;
    for (known, endings, is_word) in PROVIDERS {
        let same = *known == name;
        if same && endings.contains(&ending) {
            return None;
        }
        if same || is_near(name, known, *is_word) {
            let right = if endings.contains(&ending) {
                Some(ending)
            } else {
                meant_ending(ending, endings, *is_word)
            };
            found = found.or_else(|| right.map(|right| format!("{known}.{right}")));
        }
    }
    found
}

/// The one of `endings` that is probably meant.
fn meant_ending<'a>(ending: &str, endings: &[&'a str], is_word: bool) -> Option<&'a str> {
    let right = |right: &&str| {
        let typos = ENDINGS.iter().find(|(of, _)| of == right);
        typos.is_some_and(|(_, typos)| typos.contains(&ending))
            || (*right == "com" && !is_word && RARE.contains(&ending))
    };
    endings.iter().copied().find(right)
}

/// Whether a name is one typing error away from a provider's: a letter too many, too few or wrong, or two swapped. For
/// words, only swapped letters count, because the other variants are words too.
fn is_near(name: &str, known: &str, is_word: bool) -> bool {
    let (a, b) = (name.as_bytes(), known.as_bytes());
    if a.len().abs_diff(b.len()) > 1 || a.len() < 4 {
        return false;
    }
    let first = a.first() == b.first();
    let swapped = a.first() == b.get(1) && a.get(1) == b.first();
    if !first && !swapped || strsim::osa_distance(name, known) != 1 {
        return false;
    }
    let plural = name.strip_suffix('s') == Some(known);
    if is_word { same_letters(a, b) } else { !plural }
}

fn same_letters(a: &[u8], b: &[u8]) -> bool {
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_domain_that_is_meant() {
        let typos = [
            ("gmial.com", "gmail.com"),
            ("gamil.com", "gmail.com"),
            ("mgail.com", "gmail.com"),
            ("gmai.com", "gmail.com"),
            ("gmaill.com", "gmail.com"),
            ("gnail.com", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmail.co", "gmail.com"),
            ("gmail.cm", "gmail.com"),
            ("gmial.con", "gmail.com"),
            ("gmail.com.pl", "gmail.com"),
            ("yaho.com", "yahoo.com"),
            ("yahho.co.uk", "yahoo.co.uk"),
            ("hotmial.com", "hotmail.com"),
            ("hotmal.fr", "hotmail.fr"),
            ("outlok.com", "outlook.com"),
            ("icoud.com", "icloud.com"),
            ("wp.lp", "wp.pl"),
            ("wp.p", "wp.pl"),
            ("02.pl", "o2.pl"),
            ("o2.pll", "o2.pl"),
            ("onte.pl", "onet.pl"),
            ("onet.ol", "onet.pl"),
            ("interai.pl", "interia.pl"),
            ("interia.lp", "interia.pl"),
            ("gmx.dee", "gmx.de"),
            ("orange.rf", "orange.fr"),
        ];
        for (typo, right) in typos {
            assert_eq!(meant(typo).as_deref(), Some(right), "{typo}");
        }
    }

    #[test]
    fn accepts_real_domains() {
        let real = "gmail.com googlemail.com mail.com email.com ymail.com hotmail.co.uk yahoo.de yahoo.com.br \
            outlook.fr live.nl me.com msn.com gmx.net gmx.at web.de wp.pl wp.eu op.pl vp.pl o2.pl \
            o2.co.uk onet.pl onet.eu poczta.onet.pl interia.eu poczta.fm gazeta.pl tlen.pl go2.pl \
            levi.com cloud.com rmail.com tmail.com mall.com maid.com wp.com ap.pl up.pl inet.pl \
            photon.me oranges.fr orangen.de gazetka.pl interna.pl gmai.example live.co lie.com mal.pl \
            mail.pl wap.pl example.com sender.example online.de freelance.fr proton.ch fastmail.fm \
            outlooks.com aon.at bol.com att.net cox.net qq.com 163.com hey.com tutanota.com posteo.de";
        for domain in real.split_whitespace() {
            assert_eq!(meant(domain), None, "{domain}");
        }
    }
}
