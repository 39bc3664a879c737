//! The language of a text, by its letters and their sequences: of this text alone, and none where it is too
//! short or mixed to tell. It must never look at another document.

use whatlang::Lang;

/// Bytes that are looked at.
const SAMPLE: usize = 16 * 1024;
/// Letters without which nothing is told.
const LEAST: usize = 40;

/// ISO 639-1; `None` where it cannot be told.
pub(crate) fn of(text: &str) -> Option<&'static str> {
    // Code between fences is of no language.
    let mut fenced = false;
    let mut sample = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            sample.push_str(line);
            sample.push('\n');
        }
        if sample.len() >= SAMPLE {
            break;
        }
    }
    sample.truncate(sample.floor_char_boundary(SAMPLE));
    if sample.chars().filter(|c| c.is_alphabetic()).count() < LEAST {
        return None;
    }
    let found = whatlang::detect(&sample)?;
    if found.is_reliable() { code(found.lang()) } else { None }
}

fn code(language: Lang) -> Option<&'static str> {
    const CODES: [(&str, &str); 68] = [
        ("afr", "af"),
        ("aka", "ak"),
        ("amh", "am"),
        ("ara", "ar"),
        ("aze", "az"),
        ("bel", "be"),
        ("ben", "bn"),
        ("bul", "bg"),
        ("cat", "ca"),
        ("ces", "cs"),
        ("cmn", "zh"),
        ("cym", "cy"),
        ("dan", "da"),
        ("deu", "de"),
        ("ell", "el"),
        ("eng", "en"),
        ("epo", "eo"),
        ("est", "et"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("guj", "gu"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("hye", "hy"),
        ("ind", "id"),
        ("ita", "it"),
        ("jav", "jv"),
        ("jpn", "ja"),
        ("kan", "kn"),
        ("kat", "ka"),
        ("khm", "km"),
        ("kor", "ko"),
        ("lat", "la"),
        ("lav", "lv"),
        ("lit", "lt"),
        ("mal", "ml"),
        ("mar", "mr"),
        ("mkd", "mk"),
        ("mya", "my"),
        ("nep", "ne"),
        ("nld", "nl"),
        ("nob", "nb"),
        ("ori", "or"),
        ("pan", "pa"),
        ("pes", "fa"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rus", "ru"),
        ("sin", "si"),
        ("slk", "sk"),
        ("slv", "sl"),
        ("sna", "sn"),
        ("spa", "es"),
        ("srp", "sr"),
        ("swe", "sv"),
        ("tam", "ta"),
        ("tel", "te"),
        ("tgl", "tl"),
        ("tha", "th"),
        ("tuk", "tk"),
        ("tur", "tr"),
        ("ukr", "uk"),
        ("urd", "ur"),
        ("uzb", "uz"),
        ("vie", "vi"),
    ];
    let code = language.code();
    let others = [("yid", "yi"), ("zul", "zu")];
    CODES.iter().chain(&others).find(|(three, _)| *three == code).map(|(_, two)| *two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_and_what_is_none_is_not() {
        for (text, expected) in [
            (
                "Expense reports are due on the fifth of every month, unless that day is a holiday. They go to the finance desk together with all the receipts, and what comes later waits until the month after. Whoever travels should book early and take the train where that is possible.",
                Some("en"),
            ),
            (
                "Die Abrechnung der Reisekosten ist bis zum fünften Werktag des Monats einzureichen. Sie geht zusammen mit allen Belegen an die Buchhaltung, und was später kommt, wird erst im nächsten Monat bezahlt. Wer eine längere Reise plant, sollte die Fahrkarten möglichst früh bestellen und die Leitung der Abteilung fragen.",
                Some("de"),
            ),
            (
                "Отчёты о расходах нужно подать до пятого числа каждого месяца без исключений. Они передаются в бухгалтерию вместе со всеми чеками, а то, что придёт позже, будет оплачено только в следующем месяце.",
                Some("ru"),
            ),
            (
                "费用报告必须在每个月的第五天之前提交给财务部门，除非那一天是公共假日或周末，请注意遵守这一规定，并保存所有收据。",
                Some("zh"),
            ),
            ("2026-10-02 | 5 | 7", None),
            ("", None),
            ("```\nthe the the and of the in a to is that it was for on are as with\n```\n", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        for language in Lang::all() {
            assert!(code(*language).is_some(), "{}", language.code());
        }
    }
}
