//! Makes bodies of rendered HTML: once for all rows whose HTML is built alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ahash::RandomState;

use super::look::LookedHtml;
use super::recorder::{Recorder, Rendered, Values, Written};
use super::skeleton::{Bodies, Need, Skeleton, Wanted, shaping};
use super::text::{HtmlError, has_style};

/// The most memory that skeletons take; rows with others are worked on one by one.
const MOST: usize = 16 << 20;

/// Makes bodies, and remembers how.
pub(super) struct Maker {
    wanted: Wanted,
    hasher: RandomState,
    known: RwLock<Known>,
    /// The hash of the family that was found last: most rows are of one family.
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
    /// Whether all its rows are worked on, whatever their values are.
    worked_on: bool,
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

    /// A family with this hash, if its skeletons are what all its rows need.
    fn expected(&self, hash: u64, need: Need) -> Option<&Family> {
        let families = self.families.get(&hash)?;
        let mut first = families.first().into_iter();
        first.find(|family| family.worked_on || need == Need::Look)
    }
}

impl Family {
    fn has(&self, rendered: &Rendered) -> bool {
        self.fixed.iter().eq(rendered.fixed())
    }

    fn find(&self, values: &Values) -> Found {
        let Some(shaping) = &self.shaping else {
            return Found::Own;
        };
        match self.skeletons.get(&shaped_by(values, shaping)) {
            Some(Some(skeleton)) => Found::Skeleton(Arc::clone(skeleton)),
            Some(None) => Found::Own,
            None => Found::Nothing,
        }
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

    /// Renders a row's HTML, and makes the bodies of it.
    ///
    /// # Errors
    /// When it can't be rendered; inside, when it can't be worked on.
    pub(super) fn make<E>(
        &self,
        need: Need,
        render: impl FnOnce(&mut Recorder<'_>) -> Result<(), E>,
    ) -> Result<Result<Bodies, HtmlError>, E> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let expected = known.expected(self.recent.load(Ordering::Relaxed), need);
        let mut recorder = Recorder::expecting(expected.map(|family| &*family.fixed));
        render(&mut recorder)?;
        let rendered = match (recorder.finish(), expected) {
            (Err(error), _) => return Ok(Err(error.into())),
            (Ok(Written::Other(rendered)), _) => rendered,
            (Ok(Written::AsExpected(values)), family) => {
                let (found, fixed) = match family {
                    Some(family) => (family.find(&values), &*family.fixed),
                    None => (Found::Nothing, &[][..]),
                };
                if let Found::Skeleton(skeleton) = found {
                    return Ok(Ok(skeleton.fill(values, need)));
                }
                Rendered::of(fixed, &values)
            }
        };
        drop(known);
        Ok(self.work_on(rendered, need))
    }

    fn work_on(&self, rendered: Rendered, need: Need) -> Result<Bodies, HtmlError> {
        let wanted = Wanted {
            inline_css: self.wanted.inline_css && has_style(rendered.html()),
            ..self.wanted
        };
        if !wanted.inline_css && !wanted.text && need != Need::Look {
            return Ok(Bodies {
                html: Some(rendered.into_html()),
                encoded: None,
                text: None,
                looked: None,
            });
        }
        let skeleton = match self.find(&rendered) {
            Found::Skeleton(skeleton) => Some(skeleton),
            Found::Own => None,
            Found::Nothing => self.learn(&rendered, wanted)?,
        };
        match skeleton {
            Some(skeleton) => Ok(skeleton.fill(rendered.into_values(), need)),
            None => {
                let mut bodies = Bodies::of(rendered.html(), wanted)?;
                let sent = bodies.html.as_ref().filter(|_| need == Need::Look);
                bodies.looked = sent.cloned().map(LookedHtml::own);
                Ok(bodies)
            }
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
        let hash = self.hash(rendered);
        let found = known.family(hash, rendered).map(|family| {
            self.recent.store(hash, Ordering::Relaxed);
            family.find(rendered.values())
        });
        match found.unwrap_or(Found::Nothing) {
            Found::Nothing if known.size > MOST => Found::Own,
            found => found,
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
                worked_on: wanted.text || rendered.fixed().any(has_style),
                fixed: rendered.fixed().map(str::to_owned).collect(),
                shaping: shaping.clone(),
                skeletons: HashMap::new(),
            });
            families.len() - 1
        });
        let key = shaping.map_or_else(Vec::new, |shaping| shaped_by(rendered.values(), &shaping));
        families[at].skeletons.insert(key, skeleton.clone());
        Ok(skeleton)
    }
}

/// The values that shape the HTML.
fn shaped_by(values: &Values, shaping: &[bool]) -> Vec<String> {
    let values = values.iter().zip(shaping);
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
    use crate::render::recorder::escape;
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

    fn write(
        template: &str,
        values: &[String],
        recorder: &mut Recorder<'_>,
    ) -> std::io::Result<()> {
        let mut values = values.iter().cycle();
        for (n, part) in template.split('§').enumerate() {
            if n > 0 {
                escape(values.next().expect("some values"), recorder)?;
            }
            recorder.write_all(part.as_bytes())?;
        }
        Ok(())
    }

    fn make(
        maker: &Maker,
        need: Need,
        template: &str,
        values: &[String],
    ) -> Result<Bodies, HtmlError> {
        let made = maker.make(need, |recorder| write(template, values, recorder));
        made.expect("memory takes all")
    }

    fn own(template: &str, values: &[String]) -> Result<Bodies, HtmlError> {
        let mut recorder = Recorder::default();
        write(template, values, &mut recorder).expect("memory takes all");
        match recorder.finish().expect("UTF-8") {
            Written::Other(rendered) => Bodies::of(rendered.html(), WANTED),
            Written::AsExpected(_) => panic!("nothing was expected"),
        }
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
                    let own = own(template, values);
                    let made = make(&maker, Need::Whole, template, values);
                    prop_assert_eq!(made.is_ok(), own.is_ok(), "{} {:?}", template, values);
                    let (Ok(made), Ok(own)) = (made, own) else { continue };
                    let html = made.html.expect("HTML");
                    let form = make(&maker, Need::Form, template, values).expect("HTML");
                    let length = make(&maker, Need::Look, template, values).expect("HTML");
                    prop_assert_eq!(&form.text, &made.text);
                    prop_assert_eq!(&length.text, &made.text);
                    match form.encoded {
                        Some(encoded) => {
                            let mut form = Vec::new();
                            crate::api::form::encode_into(html.as_bytes(), &mut form);
                            prop_assert_eq!(encoded.form, form);
                            prop_assert_eq!(encoded.length, html.len());
                        }
                        None => prop_assert_eq!(form.html.as_ref(), Some(&html)),
                    }
                    match length.encoded {
                        Some(encoded) => prop_assert_eq!(encoded.length, html.len()),
                        None => prop_assert_eq!(length.html.as_ref(), Some(&html)),
                    }
                    prop_assert_eq!(
                        normalized(&html).expect("HTML"),
                        normalized(&own.html.expect("HTML")).expect("HTML"),
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
                make(&maker, Need::Whole, template, &values).expect("HTML");
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
            make(&maker, Need::Whole, &template, &[n.to_string()]).expect("HTML");
        }
        assert!(maker.known.read().expect("no panic").size < MOST * 2);
    }
}
