//! The fields of `[message]`: each a constant or a template.

use std::path::PathBuf;

use tera::{Context, Tera};

use super::constants::Names;
use super::explain::Sources;
use super::limited_output;
use super::verp::with_placeholder;
use crate::address::Address;
use crate::campaign::{Campaign, MessageTemplate, Text, is_template};
use crate::file_name::composed;
use crate::finding::Finding;

pub(super) struct MessageField {
    /// The name of its template, such as `[message] subject`.
    pub(super) name: String,
    /// The value, if it is the same for every row.
    pub(super) constant: Option<String>,
    /// The constant as an address, if it is one.
    pub(super) address: Option<Address>,
}

pub(super) struct MessageFields {
    pub(super) from: MessageField,
    pub(super) from_name: Option<MessageField>,
    pub(super) subject: MessageField,
    pub(super) html: Option<MessageField>,
    pub(super) markdown: Option<MarkdownFields>,
    pub(super) text: Option<MessageField>,
    pub(super) reply_to: Vec<MessageField>,
    pub(super) return_path: Option<MessageField>,
    pub(super) cc: Vec<MessageField>,
    pub(super) cc_name: Option<MessageField>,
    pub(super) bcc: Vec<MessageField>,
    pub(super) bcc_name: Option<MessageField>,
    pub(super) tags: Vec<MessageField>,
    pub(super) headers: Vec<(String, MessageField)>,
    pub(super) attachments: Vec<AttachmentField>,
}

/// `markdown` and `layout`
pub(super) struct MarkdownFields {
    pub(super) letter: MessageField,
    pub(super) layout: MessageField,
}

/// `[[message.attachments]]`
pub(super) struct AttachmentField {
    pub(super) path: MessageField,
    pub(super) inline: bool,
    pub(super) media_type: Option<String>,
    /// The folder that the path names before its first tag.
    pub(super) folder: PathBuf,
}

/// Adds the fields of `[message]` that are templates to the engine.
pub(super) struct FieldCompiler<'a> {
    pub(super) tera: &'a mut Tera,
    pub(super) sources: &'a mut Sources,
    pub(super) findings: &'a mut Vec<Finding>,
    /// The layout of letters that name none.
    pub(super) built_in_layout: &'a str,
}

impl FieldCompiler<'_> {
    fn field(&mut self, key: &str, text: &Text) -> MessageField {
        let name = format!("[message] {key}");
        let source = text.get_ref();
        if !is_template(source) {
            return MessageField::constant(name, source.clone());
        }
        self.sources.add_string(&name, text);
        if let Some(finding) = self.sources.too_many_branches(&name) {
            self.findings.push(finding);
        } else if let Err(error) = self.tera.add_raw_template(&name, source) {
            self.findings
                .extend(self.sources.explain_all(&name, &error));
        }
        MessageField {
            name,
            constant: None,
            address: None,
        }
    }

    fn return_path(&mut self, text: &Text) -> MessageField {
        let text = Text::new(text.span(), with_placeholder(text.get_ref()));
        self.field("return_path", &text)
    }

    fn optional(&mut self, key: &str, text: Option<&Text>) -> Option<MessageField> {
        text.map(|text| self.field(key, text))
    }

    fn list(&mut self, key: &str, texts: &[Text]) -> Vec<MessageField> {
        let texts = texts.iter().enumerate();
        texts
            .map(|(i, text)| self.field(&format!("{key}[{i}]"), text))
            .collect()
    }

    /// The name of a file in `templates/`.
    fn file(&mut self, key: &str, text: Option<&Text>) -> Option<MessageField> {
        let mut field = self.optional(key, text)?;
        field.constant = field.constant.map(|name| composed(&name).into_owned());
        Some(field)
    }

    fn markdown(&mut self, message: &MessageTemplate) -> Option<MarkdownFields> {
        let text = message.markdown.as_ref()?;
        let letter = self.file("markdown", Some(text))?;
        let layout = self.file("layout", message.layout.as_ref());
        let layout = layout.unwrap_or_else(|| {
            let built_in = Text::new(text.span(), self.built_in_layout.to_owned());
            let MessageField { name, .. } = self.field("layout", &built_in);
            MessageField::constant(name.clone(), name)
        });
        Some(MarkdownFields { letter, layout })
    }

    pub(super) fn compile(mut self, campaign: &Campaign) -> MessageFields {
        let message = &campaign.message;
        MessageFields {
            from: self.field("from", &message.from),
            from_name: self.optional("from_name", message.from_name.as_ref()),
            subject: self.field("subject", &message.subject),
            html: self.file("html", message.html.as_ref()),
            markdown: self.markdown(message),
            text: self.file("text", message.text.as_ref()),
            reply_to: self.list("reply_to", &message.reply_to),
            return_path: message
                .return_path
                .as_ref()
                .map(|text| self.return_path(text)),
            cc: self.list("cc", &message.cc),
            cc_name: self.optional("cc_name", message.cc_name.as_ref()),
            bcc: self.list("bcc", &message.bcc),
            bcc_name: self.optional("bcc_name", message.bcc_name.as_ref()),
            tags: self.list("tags", &message.tags),
            headers: message
                .headers
                .iter()
                .map(|(name, value)| {
                    let name = name.get_ref();
                    (name.clone(), self.field(&format!("headers.{name}"), value))
                })
                .collect(),
            attachments: message
                .attachments
                .iter()
                .enumerate()
                .map(|(i, attachment)| AttachmentField {
                    path: self.field(&format!("attachments[{i}].path"), &attachment.path),
                    inline: attachment.inline,
                    media_type: attachment
                        .r#type
                        .as_ref()
                        .map(|media_type| media_type.get_ref().clone()),
                    folder: fixed_folder(attachment.path.get_ref()),
                })
                .collect(),
        }
    }
}

/// The folder in the part of a path before its first tag.
fn fixed_folder(template: &str) -> PathBuf {
    let tags = ["{{", "{%", "{#"];
    let first = tags.iter().filter_map(|tag| template.find(tag)).min();
    let fixed = &template[..first.unwrap_or(template.len())];
    let folder = fixed.rsplit_once('/').map_or("", |(folder, _)| folder);
    PathBuf::from(folder)
}

impl MessageField {
    fn constant(name: String, value: String) -> Self {
        Self {
            address: Address::parse(&value).ok(),
            constant: Some(value),
            name,
        }
    }

    /// Renders the template once if it prints the same for every row.
    fn fold(&mut self, tera: &Tera, names: &Names) {
        if self.constant.is_none()
            && names.is_constant_template(tera, &self.name)
            && let Ok(value) = limited_output::render(tera, &self.name, &Context::new())
        {
            *self = Self::constant(std::mem::take(&mut self.name), value);
        }
    }
}

impl MessageFields {
    /// The names of the templates that are rendered for a message, without the layout.
    pub(super) fn roots<'a>(&'a self, tera: &'a Tera) -> Vec<&'a str> {
        let lines = [
            Some(&self.from),
            Some(&self.subject),
            self.from_name.as_ref(),
            self.return_path.as_ref(),
            self.cc_name.as_ref(),
            self.bcc_name.as_ref(),
        ];
        let lists = [&self.reply_to, &self.cc, &self.bcc, &self.tags];
        let lines = lines.into_iter().flatten();
        let lines = lines
            .chain(lists.into_iter().flatten())
            .chain(self.headers.iter().map(|(_, field)| field));
        let lines = lines.chain(self.attachments.iter().map(|field| &field.path));
        let bodies = [self.html.as_ref(), self.text.as_ref()].into_iter();
        let letter = self.markdown.as_ref().map(|it| &it.letter);
        let bodies = bodies.chain([letter]).flatten();
        let layout = self.markdown.iter().map(|it| &it.layout);
        let mut roots: Vec<&str> = lines
            .chain(bodies.clone())
            .chain(layout)
            .filter(|field| field.constant.is_none())
            .map(|field| field.name.as_str())
            .collect();
        roots.extend(bodies.flat_map(|body| files(body, tera)));
        roots
    }

    /// The names of the templates that may be the layout.
    pub(super) fn layouts<'a>(&'a self, tera: &'a Tera) -> Vec<&'a str> {
        let layout = self.markdown.iter().map(|it| &it.layout);
        layout.flat_map(|layout| files(layout, tera)).collect()
    }

    /// Renders the fields once that are the same for every row. Attachments are left as they are: whether
    /// their path is a template decides where they are read from.
    pub(super) fn fold_constants(&mut self, tera: &Tera, names: &Names) {
        let optional = [
            &mut self.from_name,
            &mut self.html,
            &mut self.text,
            &mut self.return_path,
            &mut self.cc_name,
            &mut self.bcc_name,
        ];
        let fields = [&mut self.from, &mut self.subject].into_iter();
        let fields = fields.chain(optional.into_iter().flatten());
        let markdown = self.markdown.iter_mut();
        let fields = fields.chain(markdown.flat_map(|it| [&mut it.letter, &mut it.layout]));
        let lists = [
            &mut self.reply_to,
            &mut self.cc,
            &mut self.bcc,
            &mut self.tags,
        ];
        let fields = fields.chain(lists.into_iter().flatten());
        let fields = fields.chain(self.headers.iter_mut().map(|(_, field)| field));
        fields.for_each(|field| field.fold(tera, names));
    }
}

/// The names of the files that a field may name: any, if it depends on the row.
fn files<'a>(field: &'a MessageField, tera: &'a Tera) -> Vec<&'a str> {
    match &field.constant {
        Some(file) => vec![file],
        None => {
            let names = tera.get_template_names();
            names
                .filter(|name| !name.starts_with("[message]"))
                .collect()
        }
    }
}
