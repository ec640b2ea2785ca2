use super::Case;
use crate::support::campaign::Campaign;

fn text(good: Campaign, text: &str) -> Campaign {
    good.set("message.text", "newsletter.txt")
        .template("newsletter.txt", text)
}

const SAME: &str = "Hello {{ first_name }},\n\nThe autumn letter is here, with three new coffees and \
                    the dates of the tastings.\nThe Sender team, Long Street 1, Anytown.";
const OTHER: &str = "Hello {{ first_name }}, your order was packed this morning and goes out tonight; \
                     the courier calls before noon tomorrow.";

pub(super) const CASES: &[Case] = &[
    Case::new("text-empty", |good| {
        text(
            good,
            "{% if token != 'b2' %}The autumn letter is here{% endif %}\n",
        )
    })
    .rows(&[2]),
    Case::new("text-empty", |good| {
        good.template(
            "newsletter.html",
            "<img src=\"https://sender.example/a.png\" alt=\"\" width=\"600\">",
        )
    }),
    Case::new("text-differs", |good| text(good, OTHER)).rows(&[1, 2, 3]),
    // The first row does not matter.
    Case::new("text-differs", |good| {
        text(
            good,
            &format!("{{% if token == 'a1' %}}{SAME}{{% else %}}{OTHER}{{% endif %}}"),
        )
    })
    .rows(&[2, 3]),
    Case::new("text-differs", |good| {
        text(
            good,
            &format!("{{% if token == 'a1' %}}{OTHER}{{% else %}}{SAME}{{% endif %}}"),
        )
    })
    .rows(&[1]),
    Case::new("text-longer", |good| {
        let words: String = (0..200).map(|n| format!("word{n} ")).collect();
        text(good, &format!("{SAME} {words}"))
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("text-empty", |good| {
        good.unset("message.html")
            .set("message.text", "a.txt")
            .template("a.txt", "Hi")
    }),
    Case::new("text-differs", |good| text(good, SAME)),
    Case::new("text-longer", |good| text(good, SAME)),
];
