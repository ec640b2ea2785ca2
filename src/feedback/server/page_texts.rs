//! The texts of the page, in five languages.

pub(super) struct Texts {
    /// The value of the attribute `lang`.
    pub(super) lang: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) button: &'static str,
    pub(super) done: &'static str,
    pub(super) done_text: &'static str,
    pub(super) undo: &'static str,
    pub(super) undone: &'static str,
    pub(super) undone_text: &'static str,
    pub(super) test: &'static str,
    pub(super) missing: &'static str,
    pub(super) missing_text: &'static str,
    pub(super) failed: &'static str,
    pub(super) failed_text: &'static str,
}

/// The first one is used for all other languages.
pub(super) const ALL: [Texts; 5] = [
    Texts {
        lang: "en",
        title: "Unsubscribe?",
        text: "Press the button, and you will get no more of these messages.",
        button: "Unsubscribe",
        done: "You are unsubscribed",
        done_text: "You will get no more of these messages. One that is already on its way may still arrive.",
        undo: "Undo",
        undone: "Undone",
        undone_text: "Nothing has changed: it is as if you had not pressed the button.",
        test: "This is a test link. It unsubscribes nobody.",
        missing: "Page not found",
        missing_text: "There is nothing at this address.",
        failed: "That did not work",
        failed_text: "Please try again in a few minutes.",
    },
    Texts {
        lang: "pl",
        title: "Wypisać się?",
        text: "Naciśnij przycisk, a nie będziesz już otrzymywać tych wiadomości.",
        button: "Wypisz mnie",
        done: "Gotowe, jesteś poza listą",
        done_text: "Nie będziesz już otrzymywać tych wiadomości. Może jeszcze dotrzeć ta, która jest w drodze.",
        undo: "Cofnij",
        undone: "Cofnięto",
        undone_text: "Nic się nie zmieniło: jest tak, jakby przycisk nie został naciśnięty.",
        test: "To jest link testowy. Nikogo nie wypisuje.",
        missing: "Nie znaleziono strony",
        missing_text: "Pod tym adresem nic nie ma.",
        failed: "Nie udało się",
        failed_text: "Spróbuj ponownie za kilka minut.",
    },
    Texts {
        lang: "de",
        title: "Abmelden?",
        text: "Mit einem Klick auf den Knopf bekommen Sie diese Nachrichten nicht mehr.",
        button: "Abmelden",
        done: "Sie sind abgemeldet",
        done_text: "Sie bekommen diese Nachrichten nicht mehr. Eine, die schon unterwegs ist, kann noch ankommen.",
        undo: "Rückgängig machen",
        undone: "Rückgängig gemacht",
        undone_text: "Es hat sich nichts geändert: Es ist, als hätten Sie den Knopf nicht gedrückt.",
        test: "Das ist ein Testlink. Er meldet niemanden ab.",
        missing: "Seite nicht gefunden",
        missing_text: "Unter dieser Adresse gibt es nichts.",
        failed: "Das hat nicht geklappt",
        failed_text: "Bitte versuchen Sie es in ein paar Minuten noch einmal.",
    },
    Texts {
        lang: "fr",
        title: "Se désabonner ?",
        text: "Appuyez sur le bouton et vous ne recevrez plus ces messages.",
        button: "Me désabonner",
        done: "Vous êtes désabonné(e)",
        done_text: "Vous ne recevrez plus ces messages. Un message déjà en route peut encore arriver.",
        undo: "Annuler",
        undone: "C’est annulé",
        undone_text: "Rien n’a changé : c’est comme si vous n’aviez pas appuyé sur le bouton.",
        test: "Ceci est un lien de test. Il ne désabonne personne.",
        missing: "Page introuvable",
        missing_text: "Il n’y a rien à cette adresse.",
        failed: "Cela n’a pas fonctionné",
        failed_text: "Veuillez réessayer dans quelques minutes.",
    },
    Texts {
        lang: "es",
        title: "¿Darse de baja?",
        text: "Pulse el botón y no recibirá más estos mensajes.",
        button: "Darme de baja",
        done: "Se ha dado de baja",
        done_text: "No recibirá más estos mensajes. Uno que ya está en camino aún puede llegar.",
        undo: "Deshacer",
        undone: "Deshecho",
        undone_text: "Nada ha cambiado: es como si no hubiera pulsado el botón.",
        test: "Este es un enlace de prueba. No da de baja a nadie.",
        missing: "Página no encontrada",
        missing_text: "No hay nada en esta dirección.",
        failed: "No ha funcionado",
        failed_text: "Inténtelo de nuevo dentro de unos minutos.",
    },
];

/// The texts for an `Accept-Language` (RFC 9110 12.5.4): those of the language with the highest weight.
pub(super) fn negotiated(accept_language: &str) -> &'static Texts {
    let mut best: Option<(&Texts, f32)> = None;
    for range in accept_language.split(',').take(32) {
        let mut parts = range.split(';').map(str::trim);
        let language = parts.next().unwrap_or_default().split('-').next();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        let weight: f32 = weight.unwrap_or(1.0);
        let texts = ALL.iter().find(|texts| {
            language.is_some_and(|language| language.eq_ignore_ascii_case(texts.lang))
        });
        if let Some(texts) = texts
            && weight > 0.0
            && best.is_none_or(|(_, known)| weight > known)
        {
            best = Some((texts, weight));
        }
    }
    best.map_or(&ALL[0], |(texts, _)| texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_is_chosen() {
        for (header, lang) in [
            ("", "en"),
            ("pl", "pl"),
            ("pl-PL,pl;q=0.9,en;q=0.8", "pl"),
            ("nl, de;q=0.5, fr;q=0.7", "fr"),
            ("de;q=0, es;q=0.1", "es"),
            ("ja,*;q=0.5", "en"),
            ("DE-at", "de"),
            ("en;q=x, es", "en"),
            (";;;,,=", "en"),
        ] {
            assert_eq!(negotiated(header).lang, lang, "{header}");
        }
    }
}
