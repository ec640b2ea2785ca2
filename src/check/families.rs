//! The list of families. A new family is one line here.

use super::family::Family;
use super::net::Lookups;
use super::rule::Rule;
use super::rules::*;

/// All families, ready to check one campaign.
pub(super) fn families() -> Vec<Box<dyn Family>> {
    vec![
        Box::new(accessibility::Accessibility),
        Box::new(attachments::Attachments),
        Box::new(sender_headers::SenderHeaders),
        Box::new(sender_name::SenderName),
        Box::new(unsubscribe::Unsubscribe),
        Box::new(clients::ClientSupport),
        Box::new(contrast::Contrast),
        Box::new(copies::Copies),
        Box::new(data::RecipientData),
        Box::new(gaps::MergeGaps::default()),
        Box::new(hidden_text::HiddenText),
        Box::new(html::Html),
        Box::new(images::Images),
        Box::new(inline::InlineImages),
        Box::new(json::JsonLd),
        Box::new(links::Links),
        Box::new(list_headers::ListHeaders),
        Box::new(plan::Plan),
        Box::new(schedule::Schedule::default()),
        Box::new(size::Size),
        Box::new(spam::Spam),
        Box::new(styles::Styles),
        Box::new(stylesheets::StyleSheets),
        Box::new(subject::Subject),
        Box::new(template_comments::TemplateComments),
        Box::new(text::TextPart),
        Box::new(url_values::UrlValues),
        Box::new(Lookups::default()),
    ]
}

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    families().into_iter().flat_map(|family| family.rules())
}
