use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("html-removed", |good| {
        good.html_with("</head>", "<script>alert(1)</script></head>")
    })
    .at("newsletter.html:3:76"),
    Case::new("html-removed", |good| {
        good.html_with(
            "<p>The Sender",
            "<iframe src=\"https://sender.example/\"></iframe><p>The Sender",
        )
    })
    .at("newsletter.html:9:1"),
    Case::new("html-removed", |good| {
        good.html_with("<p>The Sender", "<p onclick=\"go()\">The Sender")
    })
    .at("newsletter.html:9:1"),
    Case::new("html-removed", |good| {
        good.html_with("</head>", "<base href=\"https://sender.example/\"></head>")
    }),
    Case::new("html-removed", |good| {
        good.html_with(
            "</head>",
            "<meta http-equiv=\"Refresh\" content=\"0;url=https://sender.example/\"></head>",
        )
    }),
    Case::new("html-removed", |good| {
        good.html_with("<p>The Sender", "<input name=\"q\"><p>The Sender")
    }),
    Case::new("html-removed", |good| {
        good.html_with("<p>The Sender", "<input type=\"checkbox\"><p>The Sender")
    })
    .at("newsletter.html:9:1"),
    Case::new("html-removed", |good| {
        good.html_with(
            "<p>The Sender",
            "<input name=\"q\" style=\"display:none\"><p>The Sender",
        )
    }),
    Case::new("client-html", |good| {
        good.html_with(
            "<p>The Sender",
            "<form action=\"https://sender.example/\"><input name=\"q\"></form><p>The Sender",
        )
    }),
    Case::new("html-charset", |good| {
        good.html_with("charset=\"utf-8\"", "charset=\"windows-1252\"")
    })
    .at("newsletter.html:3:7"),
    Case::new("html-charset", |good| {
        good.html_with(
            "<meta charset=\"utf-8\">",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-2\">",
        )
    }),
    Case::new("html-as-text", |good| {
        good.html_with("The Sender team,", "The Sender team,&lt;br&gt;")
    })
    .at("newsletter.html:9:1"),
    Case::new("html-as-text", |good| {
        good.html_with("The Sender team,", "The Sender&amp;nbsp;team,")
    }),
    Case::new("html-as-text", |good| {
        good.recipients(
            "email,first_name,token\nann@one.example,Ann,a1\nbob@two.example,Bob &amp; Eve,b2\n",
        )
    })
    .at("newsletter.html:6:1")
    .rows(&[2]),
    Case::new("html-as-text", |good| {
        good.recipients(
            "email,first_name,token\nann@one.example,Ann,a1\nbob@two.example,Bob &amp; Eve,b2\n",
        )
    })
    .at("campaign.toml:11:11")
    .rows(&[2]),
    Case::new("html-as-text", |good| {
        good.set("message.text", "letter.txt").template(
            "letter.txt",
            "Hello {{ first_name }},<br>\nhere is the news.\n",
        )
    })
    .at("letter.txt:1:24"),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("html-removed", |good| {
        good.html_with(
            "</head>",
            "<script type=\"application/ld+json\">{}</script></head>",
        )
    }),
    // MJML's menus, and other switches that no reader sees.
    Case::new("html-removed", |good| {
        good.html_with(
            "<p>The Sender",
            "<input class=\"mj-menu-checkbox\" id=\"m\" style=\"display:none !important; max-height:0; visibility:hidden;\" type=\"checkbox\" />\
             <div hidden><input type=\"RADIO\" name=\"tab\"></div><p>The Sender",
        )
    }),
    // The rule about forms reports their fields.
    Case::new("html-removed", |good| {
        good.html_with(
            "<p>The Sender",
            "<form action=\"https://sender.example/\"><input name=\"q\"></form><p>The Sender",
        )
    }),
    Case::new("html-charset", |good| {
        good.html_with(
            "<meta charset=\"utf-8\">",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF8\">",
        )
    }),
    Case::new("html-as-text", |good| {
        good.html_with(
            "The Sender team,",
            "Write <code>&lt;br&gt;</code> &amp; &lt;ann@one.example&gt;,",
        )
    }),
    Case::new("html-as-text", |good| {
        good.recipients("email,first_name,token\nann@one.example,\"Ann\nand <b> R&B\",a1\n")
            .set("message.subject", "The autumn letter is here")
            .html_with(
                "<title>Autumn news for {{ first_name }}</title>",
                "<title>Autumn news</title>",
            )
            .html_with(
                "{{ first_name }}",
                "{{ first_name | replace(from='<b>', to='') | newlines_to_br }}",
            )
    }),
];
