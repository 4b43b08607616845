//! Another program on the desktop, which shows notices too.

use std::collections::HashMap;

use zbus::blocking::connection;
use zbus::zvariant::Value;

/// Shows a notice with the same choice as ours, and says its number.
pub(crate) fn notice(bus: &str, title: &str) -> u32 {
    let connection = connection::Builder::address(bus).unwrap().build().unwrap();
    let actions = ["acknowledge", "Acknowledge"];
    let hints = HashMap::<&str, Value<'_>>::new();
    let body = ("Another program", 0u32, "", title, "It has nothing to do with Headroom.", &actions[..], hints, 0i32);
    let service = "org.freedesktop.Notifications";
    let path = "/org/freedesktop/Notifications";
    let answer = connection.call_method(Some(service), path, Some(service), "Notify", &body).unwrap();
    answer.body().deserialize().unwrap()
}
