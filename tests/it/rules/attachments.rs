use super::Case;
use crate::support::campaign::Campaign;

/// Adds attachments: their paths, and whether they are inline.
pub(super) fn attaching(campaign: Campaign, paths: &[(&str, bool)]) -> Campaign {
    let list = paths.iter().map(|(path, inline)| {
        let mut table = toml::Table::new();
        table.insert("path".into(), (*path).into());
        table.insert("inline".into(), (*inline).into());
        toml::Value::from(table)
    });
    campaign.set("message.attachments", list.collect::<Vec<_>>())
}

fn attached(campaign: Campaign, files: &[(&str, usize)]) -> Campaign {
    let paths: Vec<_> = files.iter().map(|(path, _)| (*path, false)).collect();
    let campaign = attaching(campaign, &paths);
    files.iter().fold(campaign, |campaign, (path, size)| {
        campaign.file(path, vec![*size as u8; *size])
    })
}

/// `c3.exe` for the third row.
fn one_for_each_row(campaign: Campaign) -> Campaign {
    attaching(
        campaign,
        &[(
            "{{ token }}.{% if token == 'c3' %}exe{% else %}pdf{% endif %}",
            false,
        )],
    )
    .file("a1.pdf", "1")
    .file("b2.pdf", "2")
    .file("c3.exe", "3")
}

pub(super) const CASES: &[Case] = &[
    Case::new("attachment-risky", |good| {
        attached(good, &[("a.pdf", 10), ("Setup.EXE", 20)])
    })
    .at("campaign.toml:19:8"),
    Case::new("attachment-risky", one_for_each_row).rows(&[3]),
    Case::new("attachment-heavy", |good| {
        attached(good, &[("a.pdf", 4_000_000), ("b.pdf", 3_600_000)])
    }),
    Case::new("attachment-twice", |good| {
        attached(good, &[("a.pdf", 10), ("copy.pdf", 10)])
    })
    .at("campaign.toml:19:8"),
    Case::new("attachment-empty", |good| attached(good, &[("a.pdf", 0)])),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("attachment-risky", |good| {
        attached(good, &[("exe", 10), ("setup.exe.pdf", 20)])
    }),
    Case::new("attachment-heavy", |good| {
        attached(good, &[("a.pdf", 7_000_000)])
    }),
    Case::new("attachment-twice", |good| {
        attached(good, &[("a.pdf", 10), ("b/a.pdf", 11)])
    }),
];
