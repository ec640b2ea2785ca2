//! Encodes requests as the vendor's client does.

use std::borrow::Cow;

use super::form;
use super::{Copy, File, FormDialect, Recipient, Request};

impl Request<'_> {
    pub fn encode(&self, dialect: FormDialect) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() * 5 / 4 + 512);
        self.encode_into(dialect, &mut out);
        for (index, file) in self.files.iter().enumerate() {
            file.encode_into(index, &mut out);
        }
        out
    }

    /// Appends the form's body without `files`. They come last in a body, so that a sender can encode them
    /// once for all requests with [`File::encode_into`].
    pub fn encode_into(&self, dialect: FormDialect, out: &mut Vec<u8>) {
        let start = out.len();
        self.each_variable(dialect, &mut |key, value| {
            if out.len() > start {
                out.push(b'&');
            }
            encode_key(key, out);
            form::encode_into(value.as_bytes(), out);
        });
    }

    /// The number of variables in the form. PHP keeps [`form::MAX_VARIABLES`] of them.
    pub fn variables(&self, dialect: FormDialect) -> usize {
        let mut count = 0;
        self.each_variable(dialect, &mut |_, _| count += 1);
        self.files
            .iter()
            .for_each(|file| count += 3 + usize::from(file.inline));
        count
    }

    /// The bytes of `html`, `text` and the base64 of the attachments, which the API's limit on a message is
    /// about.
    pub fn size(&self) -> usize {
        let text = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
        let files: usize = self.files.iter().map(|file| file.content.len()).sum();
        text(&self.html) + text(&self.text) + files
    }

    /// Calls `put` with the name and the value of every variable except `files`, in the order of the vendor's
    /// client. The name is split into its levels. Empty variables are left out.
    fn each_variable(&self, dialect: FormDialect, put: &mut impl FnMut(&[&str], &str)) {
        put_text("from", &self.from, put);
        put_option("from_name", &self.from_name, put);
        for (index, recipient) in self.to.iter().enumerate() {
            match dialect {
                FormDialect::Sendmail => put(&["to", &index.to_string()], &recipient.address),
                FormDialect::NewSendmail => recipient.each_variable(put),
            }
        }
        put_text("subject", &self.subject, put);
        put_text("smtp_account", &self.smtp_account, put);
        put_option("reply_to", &self.reply_to, put);
        if dialect == FormDialect::NewSendmail {
            put_option("return_path", &self.return_path, put);
        }
        put_copies(["cc", "cc_name", "multi_cc"], &self.cc, put);
        put_copies(["bcc", "bcc_name", "multi_bcc"], &self.bcc, put);
        put_option("html", &self.html, put);
        put_option("text", &self.text, put);
        for (index, tag) in self.tags.iter().enumerate() {
            put(&["tags", &index.to_string()], tag);
        }
        for (name, value) in &self.headers {
            put(&["headers", name], value);
        }
    }
}

impl Recipient<'_> {
    fn each_variable(&self, put: &mut impl FnMut(&[&str], &str)) {
        let address: &str = &self.address;
        let id = self.message_id.as_deref().filter(|id| !id.is_empty());
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        if id.is_none() && name.is_none() {
            put(&["to", address], "");
        }
        if let Some(id) = id {
            put(&["to", address, "message_id"], id);
        }
        if let Some(name) = name {
            put(&["to", address, "reciver_name"], name);
        }
    }
}

impl File<'_> {
    /// Appends this attachment to a body, as `&files[index][name]=…` and so on.
    pub fn encode_into(&self, index: usize, out: &mut Vec<u8>) {
        let index = index.to_string();
        let fields = [
            ("name", &*self.name),
            ("mime", &*self.mime),
            ("content", &*self.content),
        ];
        let inline = self.inline.then_some(("inline", "1"));
        for (field, value) in fields.into_iter().chain(inline) {
            out.push(b'&');
            encode_key(&["files", &index, field], out);
            form::encode_into(value.as_bytes(), out);
        }
    }
}

fn put_text(key: &str, value: &str, put: &mut impl FnMut(&[&str], &str)) {
    if !value.is_empty() {
        put(&[key], value);
    }
}

fn put_option(key: &str, value: &Option<Cow<'_, str>>, put: &mut impl FnMut(&[&str], &str)) {
    put_text(key, value.as_deref().unwrap_or_default(), put);
}

/// One copy is sent as an address and a name, several as a map from address to name.
fn put_copies(
    [key, name_key, multi_key]: [&str; 3],
    copies: &[Copy<'_>],
    put: &mut impl FnMut(&[&str], &str),
) {
    if let [copy] = copies {
        put_text(key, &copy.address, put);
        put_option(name_key, &copy.name, put);
    } else if !copies.is_empty() {
        put(&[multi_key], "1");
        for copy in copies {
            put(
                &[key, &copy.address],
                copy.name.as_deref().unwrap_or_default(),
            );
        }
    }
}

fn encode_key(key: &[&str], out: &mut Vec<u8>) {
    for (level, name) in key.iter().enumerate() {
        if level > 0 {
            out.extend_from_slice(b"%5B");
        }
        form::encode_into(name.as_bytes(), out);
        if level > 0 {
            out.extend_from_slice(b"%5D");
        }
    }
    out.push(b'=');
}
