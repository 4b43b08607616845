//! Forms as a browser would send them: what stands in their fields.

use anyhow::{Context, Result};

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&")
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let marker = format!(" {name}=\"");
    Some(unescape(tag.split_once(&marker)?.1.split_once('"')?.0))
}

/// Names and values of the fields of the form that goes to an address, without its proof and its buttons.
pub fn fields(html: &str, action: &str) -> Result<Vec<(String, String)>> {
    let marker = format!("action=\"{action}\"");
    let form = html.split_once(&marker).with_context(|| format!("no form goes to {action}"))?.1;
    let form = form.split_once("</form>").context("the form ends")?.0;
    let mut found = Vec::new();
    for (start, _) in form.match_indices('<') {
        let (tag, after) = form[start + 1..].split_once('>').unwrap_or_default();
        let Some(name) = attribute(tag, "name").filter(|name| name != "csrf") else { continue };
        if tag.starts_with("input") {
            let is_box = tag.contains("type=\"checkbox\"");
            if !is_box || tag.split(' ').any(|part| part == "checked" || part.starts_with("checked=")) {
                found.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        } else if tag.starts_with("textarea") {
            found.push((name, unescape(after.split_once("</textarea>").map_or("", |(text, _)| text))));
        } else if tag.starts_with("select") {
            let options = after.split_once("</select>").map_or("", |(options, _)| options);
            let chosen = options
                .split("<option")
                .find(|option| option.split('>').next().is_some_and(|tag| tag.contains(" selected")));
            found.push((name, chosen.and_then(|option| attribute(option, "value")).unwrap_or_default()));
        }
    }
    Ok(found)
}

/// The same with other values in some of its fields, and more of them.
pub fn with<'a>(fields: &'a [(String, String)], others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = fields.iter().filter(|(name, _)| !others.iter().any(|(other, _)| other == name));
    let mut all: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(others);
    all
}
