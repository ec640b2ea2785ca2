//! Makes bodies of rendered HTML: once for all rows whose HTML is built alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ahash::RandomState;

use super::recorder::Rendered;
use super::skeleton::{Bodies, Skeleton, Wanted, shaping};
use super::text::HtmlError;

/// The most memory that skeletons take; rows with others are worked on one by one.
const MOST: usize = 16 << 20;

/// Makes bodies, and remembers how.
pub(super) struct Maker {
    wanted: Wanted,
    hasher: RandomState,
    known: RwLock<Known>,
    /// The hash of the family that was found last: most rows are of one family, and to compare them
    /// with it is quicker than to hash them.
    recent: AtomicU64,
}

/// The skeletons that were made.
#[derive(Default)]
struct Known {
    /// By the hash of the fixed text.
    families: HashMap<u64, Vec<Family>>,
    size: usize,
}

/// Rows that have all the fixed text in common.
struct Family {
    fixed: Vec<String>,
    /// Which values have a say in how the HTML is built; nothing if that can't be told.
    shaping: Option<Vec<bool>>,
    /// The skeletons, by the values that shape them; nothing where a row is worked on by itself.
    skeletons: HashMap<Vec<String>, Option<Arc<Skeleton>>>,
}

impl Known {
    /// The family of a row's HTML, if it is among those with this hash.
    fn family(&self, hash: u64, rendered: &Rendered) -> Option<&Family> {
        let mut families = self.families.get(&hash)?.iter();
        families.find(|family| family.has(rendered))
    }
}

impl Family {
    fn has(&self, rendered: &Rendered) -> bool {
        self.fixed.iter().eq(rendered.fixed())
    }
}

/// What is known of a row's HTML.
enum Found {
    Skeleton(Arc<Skeleton>),
    /// It is one to be worked on by itself.
    Own,
    Nothing,
}

impl Maker {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            hasher: RandomState::new(),
            known: RwLock::default(),
            recent: AtomicU64::new(0),
        }
    }

    /// The bodies of a row, with the HTML encoded as well if it is to be posted and that is known.
    ///
    /// # Errors
    /// When the HTML can't be worked on.
    pub(super) fn make(&self, rendered: Rendered, to_post: bool) -> Result<Bodies, HtmlError> {
        let wanted = self.wanted_of(&rendered);
        if !wanted.inline_css && !wanted.text {
            return Ok(Bodies {
                html: rendered.into_html(),
                form: None,
                text: None,
            });
        }
        match self.skeleton(&rendered)? {
            Some(skeleton) => Ok(skeleton.fill(&rendered, to_post)),
            None => Bodies::of(rendered.html(), wanted),
        }
    }

    /// What rows whose HTML is built like this one's have in common; nothing where that can't be told.
    ///
    /// # Errors
    /// When the HTML can't be worked on.
    pub(super) fn skeleton(&self, rendered: &Rendered) -> Result<Option<Arc<Skeleton>>, HtmlError> {
        match self.find(rendered) {
            Found::Skeleton(skeleton) => Ok(Some(skeleton)),
            Found::Own => Ok(None),
            Found::Nothing => self.learn(rendered, self.wanted_of(rendered)),
        }
    }

    fn wanted_of(&self, rendered: &Rendered) -> Wanted {
        Wanted {
            inline_css: self.wanted.inline_css && super::text::has_style(rendered.html()),
            ..self.wanted
        }
    }

    fn hash(&self, rendered: &Rendered) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = self.hasher.build_hasher();
        rendered.fixed().for_each(|fixed| fixed.hash(&mut hasher));
        hasher.finish()
    }

    fn find(&self, rendered: &Rendered) -> Found {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let recent = known.family(self.recent.load(Ordering::Relaxed), rendered);
        let family = recent.or_else(|| {
            let hash = self.hash(rendered);
            let family = known.family(hash, rendered)?;
            self.recent.store(hash, Ordering::Relaxed);
            Some(family)
        });
        match family {
            None if known.size > MOST => Found::Own,
            None => Found::Nothing,
            Some(family) => match &family.shaping {
                None => Found::Own,
                Some(shaping) => match family.skeletons.get(&shaped_by(rendered, shaping)) {
                    Some(Some(skeleton)) => Found::Skeleton(Arc::clone(skeleton)),
                    Some(None) => Found::Own,
                    None if known.size > MOST => Found::Own,
                    None => Found::Nothing,
                },
            },
        }
    }

    fn learn(
        &self,
        rendered: &Rendered,
        wanted: Wanted,
    ) -> Result<Option<Arc<Skeleton>>, HtmlError> {
        let hash = self.hash(rendered);
        let shaping = shaping(rendered);
        let skeleton = match &shaping {
            Some(shaping) => Skeleton::new(rendered, shaping, wanted)?.map(Arc::new),
            None => None,
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.size += rendered.html().len() + skeleton.as_ref().map_or(0, |it| it.size());
        let families = known.families.entry(hash).or_default();
        let is_it = |family: &Family| family.has(rendered);
        let at = families.iter().position(is_it).unwrap_or_else(|| {
            families.push(Family {
                fixed: rendered.fixed().map(str::to_owned).collect(),
                shaping: shaping.clone(),
                skeletons: HashMap::new(),
            });
            families.len() - 1
        });
        let key = shaping.map_or_else(Vec::new, |shaping| shaped_by(rendered, &shaping));
        families[at].skeletons.insert(key, skeleton.clone());
        Ok(skeleton)
    }
}

/// The values that shape the HTML.
fn shaped_by(rendered: &Rendered, shaping: &[bool]) -> Vec<String> {
    let values = rendered.values().zip(shaping);
    values
        .filter(|(_, shapes)| **shapes)
        .map(|(value, _)| value.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::render::recorder::{Recorder, escape};
    use crate::render::text::normalized;

    const WANTED: Wanted = Wanted {
        inline_css: true,
        text: true,
    };

    /// Templates in which a value stands at each `§`.
    const TEMPLATES: [&str; 14] = [
        "<style>p{color:red}</style><p>Hi §, you have § points</p>",
        "<style>p{color:red} @media print{p{color:blue}}</style><p title='§'><a href=\"§?u=§\">x</a></p>",
        "<style>.gold{color:gold}</style><p class=\"§\">§</p>",
        "<style>#x{color:gold}</style><p id=§>§</p>",
        "<style>[title=gold]{color:gold}</style><p title=\"§\">§</p>",
        "<style>p:empty{color:gold}</style><p>§</p><p></p>",
        "<style>.a{color:§}</style><p class=a>§</p>",
        "<style>p{color:red}</style><p style=\"width: §px; color: §\">§</p>",
        "<style>td{color:red}</style><table>§<tr>§<td>§</td></tr></table>",
        "<style>p{color:red}</style><!-- § --><!--[if mso]><p>§</p><![endif]--><p>§",
        "<style>p{color:red}</style><title>§</title><textarea>§</textarea><pre>\n§\n §</pre>",
        "<style>p{color:red}</style><p §>x</p><§>y</§>",
        "<style>p{color:red}</style><noscript>§</noscript><script>var a = '§';</script><p>§</p>",
        "<p>§<b>§</p>§</b><ul><li>§<li><img alt='§' src='§'></ul><hr><a href='§'>§</a><a href='§'>§</a>",
    ];

    fn render(template: &str, values: &[String]) -> Rendered {
        let mut recorder = Recorder::default();
        let mut values = values.iter().cycle();
        for (n, part) in template.split('§').enumerate() {
            if n > 0 {
                let value = values.next().expect("some values");
                escape(value, &mut recorder).expect("memory takes all");
            }
            recorder
                .write_all(part.as_bytes())
                .expect("memory takes all");
        }
        recorder.finish().expect("UTF-8")
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            Just("gold".to_owned()),
            Just("red; } p { color: blue".to_owned()),
            Just("x\" onclick=\"y' z='".to_owned()),
            Just("</p><script>alert(1)</script>&amp;&nope;".to_owned()),
            Just("\u{fdd0}0\u{fdd1}".to_owned()),
            "[a-z&<>\"' ]{0,8}",
            "\\PC{0,12}",
        ]
    }

    /// Without white space: where lines are broken may differ.
    fn letters(text: &str) -> String {
        text.split_whitespace().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5))]
        #[test]
        fn a_row_gets_what_it_would_get_by_itself(
            rows in prop::collection::vec(prop::collection::vec(value(), 5), 1..4),
        ) {
            for template in TEMPLATES {
                let maker = Maker::new(WANTED);
                for values in &rows {
                    let rendered = render(template, values);
                    let own = Bodies::of(rendered.html(), WANTED);
                    let made = maker.make(rendered, true);
                    prop_assert_eq!(made.is_ok(), own.is_ok(), "{} {:?}", template, values);
                    let (Ok(made), Ok(own)) = (made, own) else { continue };
                    if let Some(form) = &made.form {
                        let mut encoded = Vec::new();
                        crate::api::form::encode_into(made.html.as_bytes(), &mut encoded);
                        prop_assert_eq!(form, &encoded);
                    }
                    prop_assert_eq!(
                        normalized(&made.html).expect("HTML"),
                        normalized(&own.html).expect("HTML"),
                        "{} {:?}", template, values
                    );
                    let (made, own) = (made.text.expect("a text"), own.text.expect("a text"));
                    prop_assert_eq!(letters(&made), letters(&own), "{} {:?}", template, values);
                }
            }
        }
    }

    #[test]
    fn rows_that_are_built_alike_have_one_skeleton() {
        let skeletons = |template: &str| {
            let maker = Maker::new(WANTED);
            for n in 0..20 {
                let values: Vec<String> = (0..5).map(|m| format!("{n} and {m}")).collect();
                maker.make(render(template, &values), false).expect("HTML");
            }
            let known = maker.known.read().expect("no panic");
            let families = known.families.values().flatten();
            let made = families.flat_map(|family| family.skeletons.values());
            made.filter(|skeleton| skeleton.is_some()).count()
        };
        assert_eq!(
            TEMPLATES.map(skeletons),
            [1, 1, 20, 20, 20, 1, 20, 20, 1, 20, 1, 20, 20, 1]
        );
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let maker = Maker::new(WANTED);
        let long = "x".repeat(MOST / 10);
        for n in 0..100 {
            let template = format!("<style>p{{color:red}}</style><p class=§>{long}</p>");
            maker
                .make(render(&template, &[n.to_string()]), false)
                .expect("HTML");
        }
        assert!(maker.known.read().expect("no panic").size < MOST * 2);
    }
}
