//! Header fields of mails that anybody may have written: of the mail, of a returned message, and of the parts for programs
//! (RFC 3464, RFC 5965), which have the same form.

/// More fields than this are left out.
const MAX_FIELDS: usize = 2_000;
/// More blocks than this are left out: a bounce has one for each recipient.
const MAX_BLOCKS: usize = 1_000;

/// A block of fields. Lines that are no fields are skipped.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields before the first empty line.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().skip_while(|line| line.trim().is_empty());
        Self::of_lines(lines.take_while(|line| !line.trim().is_empty()))
    }

    /// All blocks, which empty lines separate.
    pub(super) fn blocks(text: &str) -> Vec<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let blocks = lines.split(|line| line.trim().is_empty());
        let blocks = blocks.filter(|block| !block.is_empty()).take(MAX_BLOCKS);
        blocks
            .map(|block| Self::of_lines(block.iter().copied()))
            .collect()
    }

    fn of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if fields.len() == MAX_FIELDS {
                break;
            } else if let Some((name, value)) = field(line) {
                fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        Self(fields)
    }

    /// The first value of a field, unfolded.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_name = (self.0.iter()).filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// The name and the value of a field, if the line begins one.
pub(super) fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_values_are_joined_and_other_lines_skipped() {
        let text = "\r\nMessage-ID:\r\n\t<a@x>\r\nno field\r\nTO : b\r\nto: c\r\n\r\nAfter: d\r\n";
        let fields = Fields::parse(text);
        assert_eq!(fields.get("message-id").map(str::trim), Some("<a@x>"));
        assert_eq!(fields.all("To").collect::<Vec<_>>(), ["b", "c"]);
        assert!(!fields.has("After"));
        let blocks = Fields::blocks(text);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[1].get("after"), Some("d"));
    }
}
