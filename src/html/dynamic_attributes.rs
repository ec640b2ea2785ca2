//! The attributes of a message's HTML that contain a row's values.

use std::ops::ControlFlow;

use super::marks::is_marked;
use super::tokens::{Token, outlook_html, tokenize};

/// An attribute whose value differs from row to row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DynamicAttribute {
    /// The element's name, in lower case.
    pub(crate) element: String,
    /// The attribute's name, in lower case.
    pub(crate) attribute: String,
    /// The attribute's value, with marks in place of the row's values.
    pub(crate) value: String,
}

/// The attributes that contain marks, including those in HTML for Outlook.
pub(crate) fn dynamic_attributes(html: &str) -> Vec<DynamicAttribute> {
    let mut attributes = Vec::new();
    tokenize(html, |token| {
        match token {
            Token::StartTag(tag) => {
                let marked = tag.attributes().filter(|(_, value)| is_marked(value));
                attributes.extend(marked.map(|(name, value)| DynamicAttribute {
                    element: tag.name().to_owned(),
                    attribute: name.to_owned(),
                    value: value.to_owned(),
                }));
            }
            Token::Comment(text) => {
                let inner = outlook_html(text).map(dynamic_attributes);
                attributes.extend(inner.into_iter().flatten());
            }
            Token::Text(_) | Token::EndTag(_) => {}
        }
        ControlFlow::Continue(())
    });
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_with_marks_are_dynamic() {
        let html = "<style>a[href='\u{fdd0}9\u{fdd1}']{}</style><A HREF='https://x/\u{fdd0}0\u{fdd1}?a&amp;\u{fdd0}1\u{fdd1}' title=y>\u{fdd0}2\u{fdd1}</a>\
                    <!--[if mso]><v:rect href=\u{fdd0}3\u{fdd1}><![endif]-->";
        let attributes = dynamic_attributes(html);
        let [link, rectangle] = &attributes[..] else {
            panic!("{attributes:?}");
        };
        assert_eq!((&*link.element, &*link.attribute), ("a", "href"));
        assert_eq!(
            link.value,
            "https://x/\u{fdd0}0\u{fdd1}?a&\u{fdd0}1\u{fdd1}"
        );
        assert_eq!(rectangle.element, "v:rect");
    }
}
