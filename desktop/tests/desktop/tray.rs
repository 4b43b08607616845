//! A tray that reads what an entry says, as a panel would.

use std::sync::{Arc, Mutex};

use zbus::blocking::{Connection, Proxy, connection};
use zbus::zvariant::OwnedValue;

/// What the entry's tool tip is on the bus: icon name, icon, title, text.
type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);

#[derive(Debug, Default)]
struct Watcher {
    items: Arc<Mutex<Vec<String>>>,
}

#[expect(clippy::unused_self, reason = "an object on the bus has methods, whatever they answer")]
#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: String) {
        self.items.lock().unwrap().push(service);
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.lock().unwrap().clone()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// A panel with a tray.
pub(crate) struct Tray {
    connection: Connection,
    items: Arc<Mutex<Vec<String>>>,
}

impl Tray {
    /// Puts one onto a bus.
    pub(crate) fn start(bus: &str) -> Self {
        let watcher = Watcher::default();
        let items = Arc::clone(&watcher.items);
        let connection = connection::Builder::address(bus)
            .unwrap()
            .serve_at("/StatusNotifierWatcher", watcher)
            .unwrap()
            .name("org.kde.StatusNotifierWatcher")
            .unwrap()
            .build()
            .unwrap();
        Self { connection, items }
    }

    /// The lines of the entry's tool tip; none before there is an entry.
    pub(crate) fn lines(&self) -> Option<Vec<String>> {
        let service = self.items.lock().unwrap().last().cloned()?;
        let item = Proxy::new(&self.connection, service, "/StatusNotifierItem", "org.kde.StatusNotifierItem").unwrap();
        let tip: OwnedValue = item.get_property("ToolTip").ok()?;
        let (_, _, _, text) = ToolTip::try_from(tip).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }
}
