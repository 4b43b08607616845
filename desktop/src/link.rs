//! Links into the application: `headroom://alerts/NUMBER`, and nothing else.

use anyhow::{Context, Result, ensure};

/// The scheme that the desktop entry claims.
const SCHEME: &str = "headroom://";

/// Reads a link; the answer is a path on the server. A link may come from any page or mail, so nothing of it is passed on but a
/// number.
pub(crate) fn path(link: &str) -> Result<String> {
    let expected = || format!("{:?} is no link of Headroom's; expected headroom://alerts/NUMBER", shorten(link));
    let rest = link.strip_prefix(SCHEME).with_context(expected)?;
    let number = rest.strip_prefix("alerts/").with_context(expected)?;
    ensure!(number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0'), expected());
    let number: i64 = number.parse().ok().with_context(expected)?;
    Ok(format!("/alerts/{number}"))
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_number_of_an_alert() {
        assert_eq!(path("headroom://alerts/7").unwrap(), "/alerts/7");
        assert_eq!(path("headroom://alerts/9223372036854775807").unwrap(), "/alerts/9223372036854775807");
        for wrong in [
            "",
            "headroom:",
            "headroom://alerts/",
            "headroom://alerts/0",
            "headroom://alerts/07",
            "headroom://alerts/-1",
            "headroom://alerts/+1",
            "headroom://alerts/7/",
            "headroom://alerts/7?next=//evil.example",
            "headroom://alerts/7#a",
            "headroom://alerts/../login",
            "headroom://alerts/%37",
            "headroom://alerts/9223372036854775808",
            "headroom://alerts/７",
            "headroom://pools/7",
            "HEADROOM://alerts/7",
            "https://alerts/7",
            "headroom://alerts/7\n",
        ] {
            let refusal = path(wrong).expect_err(wrong).to_string();
            assert!(refusal.contains("headroom://alerts/NUMBER"), "{refusal}");
        }
        let long = format!("headroom://alerts/{}", "1".repeat(5_000));
        assert!(path(&long).unwrap_err().to_string().len() < 300);
    }
}
