//! Removes everything from a message's HTML that acts.

use html2text::{Comment, Document, Element, Handle};
use html5ever::{Attribute, QualName, local_name, ns};
use url::Url;

use super::colour_scheme::{self, ColourScheme};

/// The most bytes of inline images in a page: a message can show one image many times.
pub(super) const MAX_INLINED: usize = 32 << 20;

/// Elements that are removed with their content: they load, run, post, or are parsed by rules of their own.
const REMOVED: [&str; 21] = [
    "script",
    "noscript",
    "template",
    "link",
    "base",
    "iframe",
    "frame",
    "frameset",
    "noframes",
    "object",
    "embed",
    "applet",
    "param",
    "noembed",
    "xmp",
    "plaintext",
    "audio",
    "video",
    "track",
    "portal",
    "fencedframe",
];
/// The `<meta>` elements that stay, because they affect how the page looks.
const METAS: [&str; 3] = ["viewport", "color-scheme", "supported-color-schemes"];
/// Those that say whether the message has dark colours.
const COLOUR_SCHEME_METAS: [&str; 2] = ["color-scheme", "supported-color-schemes"];
/// Attributes that are removed, besides those that begin with `on`: they act, reveal where the reader is,
/// or take the keyboard.
const REMOVED_ATTRIBUTES: [&str; 14] = [
    "action",
    "formaction",
    "srcdoc",
    "ping",
    "target",
    "rel",
    "download",
    "referrerpolicy",
    "autofocus",
    "accesskey",
    "attributionsrc",
    "manifest",
    "nonce",
    "popover",
];
/// Attributes whose value may be `cid:ID`.
const IMAGES: [&str; 3] = ["src", "background", "poster"];
/// The schemes of links that stay.
const SCHEMES: [&str; 5] = ["http", "https", "mailto", "tel", "sms"];

pub(super) struct Sanitizer<'a> {
    inline: &'a dyn Fn(&str) -> Option<String>,
    scheme: Option<ColourScheme>,
    /// How many more bytes of inline images fit.
    room: usize,
    /// Whether the message has dark colours of its own.
    pub(super) has_dark: bool,
}

impl<'a> Sanitizer<'a> {
    pub(super) fn new(
        inline: &'a dyn Fn(&str) -> Option<String>,
        scheme: Option<ColourScheme>,
    ) -> Self {
        Self {
            inline,
            scheme,
            room: MAX_INLINED,
            has_dark: false,
        }
    }

    pub(super) fn sanitize(&mut self, document: &Handle) {
        let mut nodes = vec![document.clone()];
        while let Some(node) = nodes.pop() {
            node.children.borrow_mut().retain(is_kept);
            if let Element { name, attrs, .. } = &node.data {
                self.element(name, &mut attrs.borrow_mut());
            }
            nodes.extend(node.children.borrow().iter().cloned());
        }
    }

    fn element(&mut self, name: &QualName, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| {
            let name = &*attribute.name.local;
            !name.starts_with("on") && !REMOVED_ATTRIBUTES.contains(&name)
        });
        for attribute in attributes.iter_mut() {
            if IMAGES.contains(&&*attribute.name.local) {
                self.inline_image(attribute);
            }
        }
        if matches!(name.local, local_name!("a") | local_name!("area")) {
            link(attributes);
        }
        if let Some(scheme) = self.scheme {
            self.colours(name, attributes, scheme);
        }
    }

    /// Applies a colour scheme to an element's media query, and notes dark colours.
    fn colours(&mut self, name: &QualName, attributes: &mut [Attribute], scheme: ColourScheme) {
        let is_scheme_meta = name.local == local_name!("meta")
            && value(attributes, "name").is_some_and(|it| is_one_of(&COLOUR_SCHEME_METAS, it));
        for attribute in attributes {
            match &*attribute.name.local {
                "media" => {
                    if let Some(query) = scheme.apply(&attribute.value) {
                        attribute.value = query.into();
                    }
                }
                "content" if is_scheme_meta => {
                    self.has_dark |= attribute.value.to_ascii_lowercase().contains("dark");
                }
                "style" => self.has_dark |= colour_scheme::declares_dark(&attribute.value),
                _ => {}
            }
        }
    }

    /// Replaces `cid:ID` with the image's URL.
    fn inline_image(&mut self, attribute: &mut Attribute) {
        let scheme = attribute.value.trim_start().get(..4);
        if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid:")) {
            return;
        }
        let image = match self.room {
            0 => None,
            _ => (self.inline)(&attribute.value.trim()[4..]),
        };
        let image = image.unwrap_or_default();
        let fits = image.len() <= self.room;
        // After one that does not fit, no more images are read: reading many takes time.
        self.room = self.room.saturating_sub(image.len());
        attribute.value = if fits { image.into() } else { "".into() };
    }
}

fn is_kept(node: &Handle) -> bool {
    match &node.data {
        Element { name, .. } if name.ns != ns!(html) => false,
        Element { name, attrs, .. } if name.local == local_name!("meta") => {
            let attributes = attrs.borrow();
            value(&attributes, "name").is_some_and(|name| is_one_of(&METAS, name))
                && value(&attributes, "http-equiv").is_none()
        }
        Element { name, .. } => !REMOVED.contains(&&*name.local),
        Comment { .. } | Document => false,
        _ => true,
    }
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let mut attributes = attributes.iter();
    let attribute = attributes.find(|attribute| &*attribute.name.local == name)?;
    Some(&attribute.value)
}

fn is_one_of(names: &[&str], text: &str) -> bool {
    names
        .iter()
        .any(|name| name.eq_ignore_ascii_case(text.trim()))
}

/// Makes a link open a window that knows nothing of this page. Links with other schemes lose their `href`.
fn link(attributes: &mut Vec<Attribute>) {
    let is_external =
        |link: &str| Url::parse(link).is_ok_and(|url| SCHEMES.contains(&url.scheme()));
    attributes.retain(|attribute| {
        let link = &attribute.value;
        &*attribute.name.local != "href" || is_external(link) || link.trim_start().starts_with('#')
    });
    if value(attributes, "href").is_some_and(is_external) {
        let rel = "noopener noreferrer nofollow";
        let new = [(local_name!("target"), "_blank"), (local_name!("rel"), rel)];
        attributes.extend(new.map(|(name, value)| Attribute {
            name: QualName::new(None, ns!(), name),
            value: value.into(),
        }));
    }
}
