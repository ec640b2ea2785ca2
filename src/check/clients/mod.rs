//! Mail clients, and what they lack: the data of <https://www.caniemail.com>, as far as it is about
//! what people miss.

mod feature;
mod uses;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub(super) use feature::Feature;
pub(super) use uses::{Use, is_style_for_all, uses};

/// The families that are cared about where the campaign names none.
const DEFAULT: [&str; 6] = [
    "apple-mail",
    "gmail",
    "outlook",
    "samsung-email",
    "wp-pl",
    "yahoo",
];

/// The client that does not see what stands between `<!--[if !mso]><!-->` and `<!--<![endif]-->`.
const MSO: (&str, &str) = ("outlook", "windows");

/// Who lacks what.
#[derive(Debug, Deserialize)]
struct Table {
    /// The names of families, and of what they run on, as people know them.
    families: BTreeMap<String, String>,
    platforms: BTreeMap<String, String>,
    /// By the slug of the feature, the family, and what it runs on.
    lacking: BTreeMap<String, BTreeMap<String, BTreeMap<String, Lack>>>,
}

/// How much of a feature is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Lack {
    /// All of it.
    #[serde(rename = "n")]
    All,
    /// A part.
    #[serde(rename = "a")]
    Part,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let table = serde_json::from_str(include_str!("table.json"));
    table.expect("the table that is built in is right: a test reads it")
});

/// The families of mail clients that are known, as caniemail names them.
pub(super) fn families() -> impl Iterator<Item = &'static str> {
    TABLE.families.keys().map(String::as_str)
}

/// The families that are cared about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clients(Vec<&'static str>);

impl Default for Clients {
    fn default() -> Self {
        Self(DEFAULT.to_vec())
    }
}

impl Clients {
    /// These; or those that most people have, if there are none. `None` for a name that no family has.
    pub(super) fn named<'a>(names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let find = |name: &str| families().find(|family| *family == name);
        let mut named: Vec<_> = names.map(find).collect::<Option<_>>()?;
        named.sort_unstable();
        named.dedup();
        Some(if named.is_empty() {
            Self::default()
        } else {
            Self(named)
        })
    }

    /// Those of them that lack this much of a feature, leaving out those that can't even do what it
    /// is part of, and Outlook for Windows if it does not see it.
    pub(super) fn lacking(&self, feature: &Feature, lack: Lack, mso_sees: bool) -> Vec<Client> {
        let all = self.0.iter().filter_map(|family| {
            let platforms = TABLE.lacking.get(&feature.slug)?.get(*family)?;
            let lacking = platforms.iter().filter(|it| *it.1 == lack);
            let lacking = lacking.map(|(platform, _)| Client {
                family,
                platform: platform.as_str(),
            });
            Some(lacking.collect::<Vec<_>>())
        });
        let whole = feature.part_of.as_deref();
        let mut clients: Vec<_> = all.flatten().collect();
        clients.retain(|it| {
            (mso_sees || (it.family, it.platform) != MSO)
                && whole.is_none_or(|whole| it.lack_of(whole) != Some(Lack::All))
        });
        clients
    }
}

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    family: &'static str,
    platform: &'static str,
}

impl Client {
    fn lack_of(self, slug: &str) -> Option<Lack> {
        let platforms = TABLE.lacking.get(slug)?.get(self.family)?;
        platforms.get(self.platform).copied()
    }
}

/// Clients as they are named in a sentence: `Gmail (webmail, iOS) and Outlook (Windows)`.
pub(super) fn in_words(clients: &[Client]) -> String {
    let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
    for client in clients {
        let known = &TABLE.platforms;
        let platform = known.get(client.platform).map_or(client.platform, |it| it);
        match families.last_mut() {
            Some((family, platforms)) if *family == client.family => platforms.push(platform),
            _ => families.push((client.family, vec![platform])),
        }
    }
    let names: Vec<_> = families
        .into_iter()
        .map(|(family, platforms)| {
            let name = TABLE.families.get(family).map_or(family, |it| it);
            format!("{name} ({})", platforms.join(", "))
        })
        .collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::feature::FEATURES;
    use super::*;

    fn feature(slug: &str) -> &'static Feature {
        let found = FEATURES.iter().find(|it| it.slug == slug);
        found.expect("it is looked for")
    }

    fn lacking(names: &[&str], slug: &str, lack: Lack, mso_sees: bool) -> String {
        let clients = Clients::named(names.iter().copied()).expect("they are known");
        in_words(&clients.lacking(feature(slug), lack, mso_sees))
    }

    #[test]
    fn the_data_that_is_built_in_is_whole() {
        for feature in FEATURES.iter() {
            let lacking = TABLE.lacking.get(&feature.slug);
            assert!(lacking.is_some(), "no data about {}", feature.slug);
            let whole = feature.part_of.as_ref();
            assert!(whole.is_none_or(|it| TABLE.lacking.contains_key(it)));
        }
        assert_eq!(TABLE.lacking.len(), FEATURES.len());
        assert!(Clients::named(DEFAULT.into_iter()).is_some());
    }

    #[test]
    fn clients_are_named_with_what_they_run_on() {
        let flex = "css-display-flex";
        assert_eq!(lacking(&[], flex, Lack::All, true), "Outlook (Windows)");
        assert_eq!(lacking(&["gmail"], flex, Lack::All, true), "");
        assert_eq!(
            lacking(&["gmail"], flex, Lack::Part, true),
            "Gmail (Android, iOS)"
        );
        assert_eq!(
            lacking(&["gmail", "outlook"], "css-display-grid", Lack::All, true),
            "Gmail (Android, webmail, iOS) and Outlook (Android, iOS, Windows)"
        );
    }

    #[test]
    fn outlook_does_not_lack_what_it_does_not_see() {
        assert_eq!(
            lacking(&["outlook"], "css-display-flex", Lack::All, false),
            ""
        );
    }

    #[test]
    fn who_lacks_the_whole_is_not_named_for_a_part() {
        let found = lacking(
            &["gmail", "outlook"],
            "css-justify-content",
            Lack::All,
            true,
        );
        assert_eq!(found, "Gmail (Android, webmail, iOS)");
    }

    #[test]
    fn a_name_that_no_family_has_is_none() {
        assert_eq!(Clients::named(["gmail", "outlok"].into_iter()), None);
    }
}
