//! The strings of `[message]`: each a template, or a constant.

use tera::Tera;

use super::explain::Sources;
use crate::address::Address;
use crate::campaign::{Campaign, Text, is_template};
use crate::finding::Finding;

/// A string of `[message]`.
pub(super) struct Slot {
    /// The name of its template.
    pub(super) name: String,
    /// Its value, if there is nothing to render in it.
    pub(super) constant: Option<String>,
    /// The address that this value is, if it is one.
    pub(super) address: Option<Address>,
}

pub(super) struct Slots {
    pub(super) from: Slot,
    pub(super) from_name: Option<Slot>,
    pub(super) subject: Slot,
    pub(super) html: Option<Slot>,
    pub(super) text: Option<Slot>,
    pub(super) reply_to: Option<Slot>,
    pub(super) cc: Option<Slot>,
    pub(super) cc_name: Option<Slot>,
    pub(super) bcc: Option<Slot>,
    pub(super) bcc_name: Option<Slot>,
    pub(super) tags: Vec<Slot>,
    pub(super) headers: Vec<(String, Slot)>,
    pub(super) attachments: Vec<(Slot, bool)>,
}

/// Gathers the strings of `[message]` as templates.
pub(super) struct Gather<'a> {
    pub(super) tera: &'a mut Tera,
    pub(super) sources: &'a mut Sources,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl Gather<'_> {
    fn slot(&mut self, key: &str, text: &Text) -> Slot {
        let name = format!("[message] {key}");
        let source = text.get_ref();
        if !is_template(source) {
            return Slot {
                name,
                constant: Some(source.clone()),
                address: Address::parse(source).ok(),
            };
        }
        self.sources.add_string(&name, text);
        if let Err(error) = self.tera.add_raw_template(&name, source) {
            self.findings
                .extend(self.sources.explain_all(&name, &error));
        }
        Slot {
            name,
            constant: None,
            address: None,
        }
    }

    fn optional(&mut self, key: &str, text: Option<&Text>) -> Option<Slot> {
        text.map(|text| self.slot(key, text))
    }
}

impl Slots {
    /// The names of the templates that a message starts from.
    pub(super) fn roots<'a>(&'a self, tera: &'a Tera) -> Vec<&'a str> {
        let lines = [
            Some(&self.from),
            Some(&self.subject),
            self.from_name.as_ref(),
            self.reply_to.as_ref(),
        ];
        let copies = [&self.cc, &self.cc_name, &self.bcc, &self.bcc_name].map(Option::as_ref);
        let lines = lines.into_iter().chain(copies).flatten();
        let lines = lines
            .chain(&self.tags)
            .chain(self.headers.iter().map(|(_, slot)| slot));
        let lines = lines.chain(self.attachments.iter().map(|(slot, _)| slot));
        let bodies = [self.html.as_ref(), self.text.as_ref()]
            .into_iter()
            .flatten();
        let mut roots: Vec<&str> = lines
            .chain(bodies.clone())
            .filter(|slot| slot.constant.is_none())
            .map(|slot| slot.name.as_str())
            .collect();
        for body in bodies {
            match &body.constant {
                Some(file) => roots.push(file),
                // The file's name is made of the row: any of them may be meant.
                None => roots.extend(
                    tera.get_template_names()
                        .filter(|name| !name.starts_with("[message]")),
                ),
            }
        }
        roots
    }
}

pub(super) fn gather_slots(gather: &mut Gather<'_>, campaign: &Campaign) -> Slots {
    let message = &campaign.message;
    Slots {
        from: gather.slot("from", &message.from),
        from_name: gather.optional("from_name", message.from_name.as_ref()),
        subject: gather.slot("subject", &message.subject),
        html: gather.optional("html", message.html.as_ref()),
        text: gather.optional("text", message.text.as_ref()),
        reply_to: gather.optional("reply_to", message.reply_to.as_ref()),
        cc: gather.optional("cc", message.cc.as_ref()),
        cc_name: gather.optional("cc_name", message.cc_name.as_ref()),
        bcc: gather.optional("bcc", message.bcc.as_ref()),
        bcc_name: gather.optional("bcc_name", message.bcc_name.as_ref()),
        tags: message
            .tags
            .iter()
            .enumerate()
            .map(|(i, tag)| gather.slot(&format!("tags[{i}]"), tag))
            .collect(),
        headers: message
            .headers
            .iter()
            .map(|(name, value)| {
                let name = name.get_ref();
                (name.clone(), gather.slot(&format!("headers.{name}"), value))
            })
            .collect(),
        attachments: message
            .attachments
            .iter()
            .enumerate()
            .map(|(i, attachment)| {
                (
                    gather.slot(&format!("attachments[{i}].path"), &attachment.path),
                    attachment.inline,
                )
            })
            .collect(),
    }
}
