//! The variants of a message in an A/B test, and who gets which.
//!
//! Both choices are hashes of the campaign's name and the normalized address. So they are the same in every run of
//! the campaign, whatever the order of the rows, and a row that is added changes nobody else's.

use std::num::NonZeroU32;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{Campaign, MessageTemplate};

/// The whole, of which a sample is a part.
const MILLION: u32 = 1_000_000;

/// `[[variants]]`
#[derive(Debug, Clone)]
pub struct Variant {
    pub name: String,
    /// Its weight among all variants.
    pub share: NonZeroU32,
    /// The campaign's message, with what the variant replaces.
    pub message: MessageTemplate,
}

impl Campaign {
    /// The variant for a normalized address; `None` if the campaign has no variants.
    pub(crate) fn variant_for(&self, address: &str) -> Option<&Variant> {
        if self.variants.is_empty() {
            return None;
        }
        let shares = self.variants.iter().map(|variant| variant.share.get());
        let total = shares.map(u64::from).sum();
        let mut place = part_of(hash("variant", &self.name, address), total);
        self.variants.iter().find(|variant| {
            let share = u64::from(variant.share.get());
            let is_here = place < share;
            place = place.saturating_sub(share);
            is_here
        })
    }

    /// The campaign as one of its variants sends it.
    pub(crate) fn as_variant(&self, variant: &Variant) -> Self {
        Self {
            message: variant.message.clone(),
            ..self.clone()
        }
    }

    /// The templates of the messages that the campaign sends: those of its variants, or the only one.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &MessageTemplate> {
        let only = self.variants.is_empty().then_some(&self.message);
        let variants = self.variants.iter().map(|variant| &variant.message);
        only.into_iter().chain(variants)
    }
}

/// The part of the rows that gets the variants in a test; the others wait until one variant is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Parts of a million.
    share: u32,
}

impl Sample {
    /// Whether a normalized address gets the test. A larger sample has everybody who is in a smaller one.
    pub(crate) fn contains(self, campaign: &Campaign, address: &str) -> bool {
        let place = part_of(hash("sample", &campaign.name, address), u64::from(MILLION));
        place < u64::from(self.share)
    }
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.strip_suffix('%').and_then(parts_of_a_million);
        match share {
            Some(share @ 1..MILLION) => Ok(Self { share }),
            _ => Err("write a share between 0% and 100%, such as 10% or 0.5%".to_owned()),
        }
    }
}

/// A percentage with at most four decimals, in parts of a million.
fn parts_of_a_million(percent: &str) -> Option<u32> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || decimals.len() > 4 {
        return None;
    }
    let whole = whole.parse::<u32>().ok()?.checked_mul(10_000)?;
    whole.checked_add(format!("{decimals:0<4}").parse().ok()?)
}

/// A hash, spread evenly over the numbers below `parts`.
fn part_of(hash: u64, parts: u64) -> u64 {
    ((u128::from(hash) * u128::from(parts)) >> 64) as u64
}

/// The first eight bytes of a SHA-256. No name and no address contains a NUL.
fn hash(purpose: &str, campaign: &str, address: &str) -> u64 {
    let text = format!("mailrun {purpose}\0{campaign}\0{address}");
    let digest = Sha256::digest(text);
    let (first, _) = digest.split_at(8);
    first
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage() {
        for (text, share) in [
            ("10%", 100_000),
            ("0.5%", 5_000),
            ("99.9999%", 999_999),
            ("0.0001%", 1),
        ] {
            assert_eq!(text.parse(), Ok(Sample { share }), "{text}");
        }
        for text in [
            "",
            "%",
            "10",
            "0%",
            "0.0%",
            "100%",
            "101%",
            "-1%",
            "+1%",
            "1.%",
            ".5%",
            "1.00001%",
            "1e1%",
            "99999999999%",
        ] {
            assert!(text.parse::<Sample>().is_err(), "{text}");
        }
    }

    /// A campaign with the variants A, B and C.
    fn campaign(shares: [u32; 3]) -> Campaign {
        let dir = tempfile::tempdir().expect("a folder");
        let variants = ["A", "B", "C"].into_iter().zip(shares);
        let variants = variants
            .map(|(name, share)| format!("[[variants]]\nname = \"{name}\"\nshare = {share}\n"));
        let text = format!(
            "name = \"autumn\"\n[smtp]\nurl = \"smtps://mail.example\"\n\
             [message]\nfrom = \"a@b.example\"\nsubject = \"\"\ntext = \"{{{{ body }}}}\"\n{}",
            variants.collect::<String>()
        );
        std::fs::write(dir.path().join("campaign.toml"), text).expect("a file");
        Campaign::load(dir.path()).expect("a campaign")
    }

    /// How many of these addresses get each variant, and how many are in a sample.
    fn counts<'a>(
        campaign: &Campaign,
        addresses: impl Iterator<Item = &'a String>,
    ) -> ([u32; 3], u32) {
        let sample: Sample = "10%".parse().expect("a sample");
        let (mut counts, mut in_sample) = ([0; 3], 0);
        for address in addresses {
            let variant = campaign.variant_for(address).expect("a variant");
            let place = campaign
                .variants
                .iter()
                .position(|it| it.name == variant.name);
            counts[place.expect("one of them")] += 1;
            in_sample += u32::from(sample.contains(campaign, address));
        }
        (counts, in_sample)
    }

    #[track_caller]
    fn assert_is_share(count: u32, all: u32, share: f64) {
        let all = f64::from(all);
        let difference = (f64::from(count) - all * share).abs();
        // Five standard deviations.
        let most = (all * share * (1.0 - share)).sqrt() * 5.0;
        assert!(difference < most, "{count} of {all} is not {share}");
    }

    #[test]
    fn a_hundred_thousand_addresses_have_the_shares() {
        let addresses: Vec<String> = (0..100_000)
            .map(|n| format!("reader{n}@list{}.example", n % 7))
            .collect();
        let campaign = campaign([90, 9, 1]);
        let (all, in_sample) = counts(&campaign, addresses.iter());
        for (count, share) in all.into_iter().zip([0.9, 0.09, 0.01]) {
            assert_is_share(count, 100_000, share);
        }
        assert_is_share(in_sample, 100_000, 0.1);
        // The sample has the same shares.
        let sample: Sample = "10%".parse().expect("a sample");
        let of_sample = addresses.iter().filter(|it| sample.contains(&campaign, it));
        let (of_sample, _) = counts(&campaign, of_sample);
        for (count, share) in of_sample.into_iter().zip([0.9, 0.09, 0.01]) {
            assert_is_share(count, in_sample, share);
        }
        // Weights count only among each other, and a larger share keeps everybody who had the variant.
        let same = super::tests::campaign([900, 90, 10]);
        let larger = super::tests::campaign([91, 8, 1]);
        for address in &addresses {
            let variant = |of: &Campaign| of.variant_for(address).map(|it| it.name.clone());
            assert_eq!(variant(&same), variant(&campaign));
            if variant(&campaign).as_deref() == Some("A") {
                assert_eq!(variant(&larger).as_deref(), Some("A"));
            }
        }
    }

    #[test]
    fn the_hash_never_changes() {
        // printf 'mailrun variant\0autumn\0ann@one.example' | sha256sum
        assert_eq!(
            hash("variant", "autumn", "ann@one.example"),
            0x44f4_ced1_fa61_8fae
        );
        assert_eq!(
            hash("sample", "autumn", "ann@one.example"),
            0xaf3e_605f_4b31_1fa3
        );
    }
}
