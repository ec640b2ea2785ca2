use super::Case;

pub(super) const CASES: &[Case] = &[Case::new("template-comment", |good| {
    good.html_with(
        "</head>",
        "<style>@media (max-width:600px){#hero{width:100%}}</style></head>{# the end of the head #}",
    )
})
.at("newsletter.html:3:107")];

pub(super) const SILENT: &[Case] = &[Case::new("template-comment", |good| {
    good.html_with(
        "</head>",
        "<style>{# narrow: p { width: 9px } #}@media (max-width:600px){ #hero{width:100%}}</style></head>{# x #}",
    )
})];
