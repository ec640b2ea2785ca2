//! Makes bodies of rendered HTML: once for all rows whose HTML is built alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ahash::RandomState;

use super::look::LookedHtml;
use super::mould::Cast;
use super::recorder::{Rendered, Values};
use super::skeleton::{Bodies, Need, Shaping, Skeleton, Wanted};
use super::text::{HtmlError, has_style};

/// The most memory that skeletons take; rows with others are worked on one by one.
const MOST: usize = 16 << 20;

/// Makes bodies, and remembers how.
pub(super) struct Maker {
    wanted: Wanted,
    hasher: RandomState,
    /// The families, by the hash of their fixed text.
    families: RwLock<HashMap<u64, Vec<Arc<Family>>>>,
    /// The memory that is taken.
    size: AtomicUsize,
}

/// Rows that have all the fixed text in common.
pub(super) struct Family {
    fixed: Vec<String>,
    /// What is to be made of their HTML.
    wanted: Wanted,
    /// Which values have a say in how the HTML is built.
    shaping: Shaping,
    /// The skeletons, by the values that shape them; nothing where a row is worked on by itself.
    skeletons: RwLock<HashMap<Vec<String>, Option<Arc<Skeleton>>>>,
}

/// What is known of a row's HTML.
enum Found {
    Skeleton(Arc<Skeleton>),
    /// It is one to be worked on by itself.
    Own,
    Nothing,
}

impl Family {
    fn has(&self, rendered: &Rendered) -> bool {
        self.fixed.iter().eq(rendered.fixed())
    }

    /// The HTML of a row of this family with these values.
    pub(super) fn rendered(&self, values: &Values) -> Rendered {
        Rendered::of(&self.fixed, values)
    }

    /// Whether there is nothing to be made of the HTML that others could have a use for.
    fn is_plain(&self, need: Need) -> bool {
        let Wanted { inline_css, text } = self.wanted;
        need != Need::Look && !inline_css && !text && self.shaping.values.contains(&true)
    }

    fn find(&self, values: &Values) -> Found {
        let skeletons = self.skeletons.read();
        let skeletons = skeletons.unwrap_or_else(PoisonError::into_inner);
        match skeletons.get(&shaped_by(values, &self.shaping.values)) {
            Some(Some(skeleton)) => Found::Skeleton(Arc::clone(skeleton)),
            Some(None) => Found::Own,
            None => Found::Nothing,
        }
    }
}

impl Maker {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            hasher: RandomState::new(),
            families: RwLock::default(),
            size: AtomicUsize::new(0),
        }
    }

    /// Makes the bodies of a row's HTML.
    ///
    /// # Errors
    /// When it can't be worked on.
    pub(super) fn make(&self, rendered: Rendered, need: Need) -> Result<Bodies, HtmlError> {
        match self.family(&rendered) {
            Some(family) => {
                let values = rendered.into_values();
                self.cast(Cast { family, values }, need)
            }
            None => own(&rendered, self.wanted_of(&rendered), need),
        }
    }

    /// Makes the bodies of a row's HTML that is known already.
    ///
    /// # Errors
    /// When it can't be worked on.
    pub(super) fn cast(&self, cast: Cast, need: Need) -> Result<Bodies, HtmlError> {
        let Cast { family, values } = cast;
        if family.is_plain(need) || !family.shaping.holds_for(&values) {
            return own(&family.rendered(&values), family.wanted, need);
        }
        let skeleton = match family.find(&values) {
            Found::Skeleton(skeleton) => Some(skeleton),
            Found::Nothing if self.has_room() => self.learn(&family, &values)?,
            Found::Nothing | Found::Own => None,
        };
        match skeleton {
            Some(skeleton) => Ok(skeleton.fill(values, need)),
            None => own(&family.rendered(&values), family.wanted, need),
        }
    }

    /// The family of a row's HTML. Nothing if it can have none, or there is no room for another.
    pub(super) fn family(&self, rendered: &Rendered) -> Option<Arc<Family>> {
        let hash = self.hash(rendered);
        let find = |families: &HashMap<u64, Vec<Arc<Family>>>| {
            let mut families = families.get(&hash)?.iter();
            families.find(|family| family.has(rendered)).map(Arc::clone)
        };
        let known = self.families.read();
        if let Some(family) = find(&known.unwrap_or_else(PoisonError::into_inner)) {
            return Some(family);
        }
        if !self.has_room() {
            return None;
        }
        let family = Arc::new(Family {
            wanted: self.wanted_of(rendered),
            fixed: rendered.fixed().map(str::to_owned).collect(),
            shaping: Shaping::of(rendered)?,
            skeletons: RwLock::default(),
        });
        let known = self.families.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        // Another thread may have come first.
        if let Some(family) = find(&known) {
            return Some(family);
        }
        let size = family.fixed.iter().map(String::len).sum();
        self.size.fetch_add(size, Ordering::Relaxed);
        known.entry(hash).or_default().push(Arc::clone(&family));
        Some(family)
    }

    fn has_room(&self) -> bool {
        self.size.load(Ordering::Relaxed) <= MOST
    }

    fn wanted_of(&self, rendered: &Rendered) -> Wanted {
        Wanted {
            inline_css: self.wanted.inline_css && has_style(rendered.html()),
            ..self.wanted
        }
    }

    fn hash(&self, rendered: &Rendered) -> u64 {
        use std::hash::{BuildHasher, Hash, Hasher};
        let mut hasher = self.hasher.build_hasher();
        rendered.fixed().for_each(|fixed| fixed.hash(&mut hasher));
        hasher.finish()
    }

    fn learn(&self, family: &Family, values: &Values) -> Result<Option<Arc<Skeleton>>, HtmlError> {
        let rendered = family.rendered(values);
        let skeleton =
            Skeleton::new(&rendered, &family.shaping.values, family.wanted)?.map(Arc::new);
        let size = skeleton.as_ref().map_or(0, |skeleton| skeleton.size());
        let key = shaped_by(values, &family.shaping.values);
        let keys = key.iter().map(String::len).sum::<usize>();
        self.size.fetch_add(size + keys, Ordering::Relaxed);
        let skeletons = family.skeletons.write();
        let mut skeletons = skeletons.unwrap_or_else(PoisonError::into_inner);
        // Two threads may have made it: all rows get the same one.
        Ok(skeletons.entry(key).or_insert(skeleton).clone())
    }
}

/// Makes the bodies of one row's HTML, whatever others have.
fn own(rendered: &Rendered, wanted: Wanted, need: Need) -> Result<Bodies, HtmlError> {
    let mut bodies = Bodies::of(rendered.html(), wanted)?;
    let sent = bodies.html.as_ref().filter(|_| need == Need::Look);
    bodies.looked = sent.cloned().map(LookedHtml::own);
    Ok(bodies)
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
    use crate::render::recorder::{Recorder, escape};
    use crate::render::text::normalized;

    const WANTED: Wanted = Wanted {
        inline_css: true,
        text: true,
    };

    /// Templates in which a value stands at each `§`.
    const TEMPLATES: [&str; 32] = [
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
        "<style>p{color:red}</style><p>a</p><!--[if mso]><v:rect href=\"https://x/§\" data-a='§'>§ </v:rect>§<br><![endif]-->",
        "<style>p{color:red}</style><p>a</p><!--[if mso]><p class=\"§\">x</p><![endif]-->",
        "<style>p{color:red}</style><p>a</p><!--[if §]><p>x</p><![endif]-->",
        "<style>p{color:red}</style><p>a</p><!--[if mso]><a href=§>x</a><![endif]--><!--§--><!-- §->",
        "<style>.a{color:§}</style><p class=a title='§'>x</p>",
        "<style>.a{color:red} § .b{color:blue}</style><p class=a title='§'>x</p><a href='§'>x</a>",
        "<style>p{color:red}</style><script type='application/ld+json'>{\"a\": [\"§\"]}</script><img srcset='§ 2x'><a href='§'>x</a>",
        "<style data-css-inline='§'>b{color:blue}</style><p data-css-inline='§'>x <b>y</b></p>",
        "<style>p{color:red}</style><p>Hello <b>x</§ >y</b>",
        "<!DOCTYPE html PUBLIC 'x'><style>[data-x] a[lang=pl], a:hover, #o a{color:gold} a{color:red}</style><p><a href='§' title='§'>§</a></p>",
        "<style>p:not(.x){color:#222} @media print{p{color:#333}}</style><p id='§'>x<a name='§' id=\"§\">y</a></p>",
        "<style>p{color:#222}</style><p><a href=§>x</a> <img alt = §x src='a'></p>",
        "<style>p{color:red} .§ {color:blue}</style><p id='§'>x</p>",
        "<style>p{color:red}</style><p>a</p><!--[if mso]><v:rect style='width:§px' fillcolor=\"§\"><td bgcolor='§' width='§'></v:rect><![endif]-->",
        "<style>#gold\n{\ncolor:gold}\np:not(\n#p\n){color:red}</style><p id='§'>x</p><p id=\"§\">y</p>",
        "<style>p{color:red}</style><p>&§ &#x§;<a href=https://x/?q=\"§\">x</a><a href='x?a=1&§'>y</a> <img src=a alt=1\u{a0}§>",
        "<style>[data-gold=p]{color:gold}</style><p data-§='§'>x</p>",
        "<style>/* § */ p{color:red}</style><p>x</p><i id='§'>o</i>",
        "<p>§<b>§</p>§</b><ul><li>§<li><img alt='§' src='§'></ul><hr><a href='§'>§</a><a href='§'>§</a>",
    ];

    fn write(template: &str, values: &[String]) -> std::io::Result<Rendered> {
        let mut recorder = Recorder::default();
        let mut values = values.iter().cycle();
        for (n, part) in template.split('§').enumerate() {
            if n > 0 {
                escape(values.next().expect("some values"), &mut recorder)?;
            }
            recorder.write_all(part.as_bytes())?;
        }
        Ok(recorder.finish().expect("UTF-8"))
    }

    fn make(
        maker: &Maker,
        need: Need,
        template: &str,
        values: &[String],
    ) -> Result<Bodies, HtmlError> {
        maker.make(write(template, values).expect("memory takes all"), need)
    }

    fn own(template: &str, values: &[String]) -> Result<Bodies, HtmlError> {
        let rendered = write(template, values).expect("memory takes all");
        Bodies::of(rendered.html(), WANTED)
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            Just("gold".to_owned()),
            Just("ignore".to_owned()),
            Just("p".to_owned()),
            Just("copy".to_owned()),
            Just("*/ #gold, /*".to_owned()),
            Just("[title]{color:green}".to_owned()),
            Just("red; } p { color: blue".to_owned()),
            Just("x\" onclick=\"y' z='".to_owned()),
            Just("</p><script>alert(1)</script>&amp;&nope;".to_owned()),
            Just("\u{fdd0}0\u{fdd1}".to_owned()),
            "[a>!-]{1,4}",
            "[a-z&<>\"' ]{0,8}",
            "\\PC{0,12}",
        ]
    }

    /// Without white space: where lines are broken may differ.
    fn letters(text: &str) -> String {
        text.split_whitespace().collect()
    }

    /// Asserts that each of these rows gets what it would get by itself.
    fn assert_own(template: &str, rows: &[Vec<String>]) -> Result<(), TestCaseError> {
        let maker = Maker::new(WANTED);
        for values in rows {
            let own = own(template, values);
            let made = make(&maker, Need::Whole, template, values);
            prop_assert_eq!(made.is_ok(), own.is_ok(), "{} {:?}", template, values);
            let (Ok(made), Ok(own)) = (made, own) else {
                continue;
            };
            let html = made.html.expect("HTML");
            let form = make(&maker, Need::Form, template, values).expect("HTML");
            let length = make(&maker, Need::Look, template, values).expect("HTML");
            prop_assert_eq!(&form.text, &made.text);
            prop_assert_eq!(&length.text, &made.text);
            match form.encoded {
                Some(encoded) => {
                    let mut form = Vec::new();
                    crate::api::form::encode_into(html.as_bytes(), &mut form);
                    prop_assert_eq!(&*encoded.form, &form);
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
                "{} {:?}",
                template,
                values
            );
            let (made, own) = (made.text.expect("a text"), own.text.expect("a text"));
            prop_assert_eq!(letters(&made), letters(&own), "{} {:?}", template, values);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5))]
        #[test]
        fn a_row_gets_what_it_would_get_by_itself(
            rows in prop::collection::vec(prop::collection::vec(value(), 5), 1..4),
        ) {
            for template in TEMPLATES {
                assert_own(template, &rows)?;
            }
        }
    }

    #[test]
    fn a_row_whose_value_means_something_gets_what_it_would_get_by_itself() {
        let values = [
            "a",
            "x",
            "gold",
            "p",
            "ignore",
            "copy",
            "2014",
            "two words",
            "*/ #gold, /*",
            "[title]{color:green}",
            "red; } p { color: blue",
            "x' y='",
            "-->",
        ];
        let alone = values.map(|value| vec![value]);
        let two = [["*/ #gold, /*", "b"], ["*/ #gold, /*", "gold"]].map(Vec::from);
        let rows = alone.into_iter().chain(two);
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        let rows: Vec<Vec<String>> = rows.collect();
        for template in TEMPLATES {
            assert_own(template, &rows).expect("the same");
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
            let known = maker.families.read().expect("no panic");
            let made = known.values().flatten().map(|family| {
                let skeletons = family.skeletons.read().expect("no panic");
                skeletons.values().flatten().count()
            });
            made.sum::<usize>()
        };
        assert_eq!(
            TEMPLATES.map(skeletons),
            [
                1, 1, 20, 0, 20, 1, 20, 20, 1, 1, 1, 20, 20, 1, 1, 20, 20, 20, 20, 1, 20, 20, 1, 1,
                0, 20, 1, 20, 0, 20, 20, 1
            ]
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
        assert!(maker.size.load(Ordering::Relaxed) < MOST * 2);
    }
}
