//! Mail clients and the features they lack, from the data of <https://www.caniemail.com>.

mod feature;
mod uses;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

pub(super) use feature::Feature;
pub(super) use uses::{Use, is_style_for_all, uses};

/// The families for a campaign that names none.
const DEFAULT: [&str; 6] = [
    "apple-mail",
    "gmail",
    "outlook",
    "samsung-email",
    "wp-pl",
    "yahoo",
];

/// The client that skips HTML between `<!--[if !mso]><!-->` and `<!--<![endif]-->`.
const MSO: (&str, &str) = ("outlook", "windows");

/// The content of `table.json`.
#[derive(Debug, Deserialize)]
struct Table {
    /// Display names.
    families: BTreeMap<String, String>,
    platforms: BTreeMap<String, String>,
    /// By feature, family and platform.
    lacking: BTreeMap<String, BTreeMap<String, BTreeMap<String, Lack>>>,
}

/// How much of a feature a client lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Lack {
    #[serde(rename = "n")]
    All,
    #[serde(rename = "a")]
    Part,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let table = serde_json::from_str(include_str!("table.json"));
    table.expect("a test reads the built-in table")
});

/// The names of all families of mail clients, as at caniemail.com.
pub(super) fn families() -> impl Iterator<Item = &'static str> {
    TABLE.families.keys().map(String::as_str)
}

/// The families to check for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clients(Vec<&'static str>);

impl Default for Clients {
    fn default() -> Self {
        Self(DEFAULT.to_vec())
    }
}

impl Clients {
    /// These families, or the most common ones if there are none. `None` if a name is unknown.
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

    /// The clients that lack this much of a feature, except those that lack all of what it is part of, and except
    /// Outlook for Windows unless `in_outlook`.
    pub(super) fn lacking(&self, feature: &Feature, lack: Lack, in_outlook: bool) -> Vec<Client> {
        let whole = feature.part_of.as_deref();
        let clients = self.0.iter().flat_map(|family| {
            let platforms = TABLE
                .lacking
                .get(&feature.slug)
                .and_then(|it| it.get(*family));
            let platforms = platforms.into_iter().flatten();
            let lacking = platforms.filter(|(_, it)| **it == lack);
            lacking.map(|(platform, _)| Client { family, platform })
        });
        clients
            .filter(|it| in_outlook || (it.family, it.platform) != MSO)
            .filter(|it| whole.is_none_or(|whole| it.lack_of(whole) != Some(Lack::All)))
            .collect()
    }
}

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

/// Lists clients in a sentence: `Gmail (webmail, iOS) and Outlook (Windows)`.
pub(super) fn list(clients: &[Client]) -> String {
    let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
    for client in clients {
        let names = &TABLE.platforms;
        let platform = names.get(client.platform).map_or(client.platform, |it| it);
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
        found.expect("a feature")
    }

    fn lacking(names: &[&str], slug: &str, lack: Lack, in_outlook: bool) -> String {
        let clients = Clients::named(names.iter().copied()).expect("they are known");
        list(&clients.lacking(feature(slug), lack, in_outlook))
    }

    #[test]
    fn the_built_in_data_is_complete() {
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
    fn lists_clients_with_their_platforms() {
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
    fn outlook_does_not_lack_what_it_skips() {
        assert_eq!(
            lacking(&["outlook"], "css-display-flex", Lack::All, false),
            ""
        );
    }

    #[test]
    fn clients_without_the_whole_are_not_listed_for_a_part() {
        let found = lacking(
            &["gmail", "outlook"],
            "css-justify-content",
            Lack::All,
            true,
        );
        assert_eq!(found, "Gmail (Android, webmail, iOS)");
    }

    #[test]
    fn unknown_names_are_rejected() {
        assert_eq!(Clients::named(["gmail", "outlok"].into_iter()), None);
    }
}
