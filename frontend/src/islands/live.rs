//! Live updates: one stream per browser, relayed from tab to tab, its numbers written in place.

use leptos::prelude::*;

/// Listens to the stream and keeps every `data-live` on the page current. Prints nothing: the page is complete without it.
#[island]
pub fn LiveUpdates(
    /// Topics of the stream, with commas.
    topics: String,
    /// The pool of the topics `slots` and `log`; empty if none.
    pool: String,
    /// Pools that sums are about, with commas; empty is all.
    pools: String,
    /// Ask for the page again now and then and put every `data-refresh` in place.
    refreshes: bool,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    {
        stream::start(&topics, &pool);
        figures::start(&pools);
        if refreshes {
            refresh::start();
        }
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = (topics, pool, pools, refreshes);
    view! { <span hidden="" data-live-root=""></span> }
}

#[cfg(feature = "hydrate")]
pub(super) use stream::{reading, subscribe};

/// Getting the messages: from the server, or from the tab that gets them.
#[cfg(feature = "hydrate")]
mod stream {
    use std::cell::RefCell;
    use std::rc::Rc;

    use leptos::prelude::{document, set_interval, set_timeout, window};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::*;
    use web_sys::{BroadcastChannel, EventSource, MessageEvent};

    use crate::islands::dom;
    use crate::live::{self, Election, Reading};

    type Subscriber = (&'static str, Rc<dyn Fn(&JsValue)>);

    /// What one tab wants, by its id, and when it last said so.
    struct Want {
        tab: u32,
        topics: String,
        said_ms: f64,
    }

    struct State {
        election: Election,
        own: String,
        wants: Vec<Want>,
        channel: Option<BroadcastChannel>,
        source: Option<EventSource>,
        address: String,
        attempt: u32,
        connected: bool,
        started_ms: f64,
        heard_ms: Option<f64>,
    }

    thread_local! {
        static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
        static SUBSCRIBERS: RefCell<Vec<Subscriber>> = const { RefCell::new(Vec::new()) };
    }

    /// Events of the stream that are passed on.
    const EVENTS: [&str; 5] = ["live", "slots", "log", "alerts", "reset"];
    /// A tab that was not heard for so long is gone. Browsers let hidden tabs speak once a minute.
    const WANT_LASTS_MS: f64 = 150_000.0;

    /// Calls `run` with each message of a kind, read from its JSON.
    pub(in crate::islands) fn subscribe(kind: &'static str, run: impl Fn(&JsValue) + 'static) {
        SUBSCRIBERS.with_borrow_mut(|all| all.push((kind, Rc::new(run))));
    }

    /// How long ago something was heard; `None` while the page is as the server made it.
    pub(super) fn age_ms() -> Option<i64> {
        STATE.with_borrow(|state| {
            let state = state.as_ref()?;
            let now = dom::monotonic_ms();
            match state.heard_ms {
                Some(heard) => Some((now - heard) as i64),
                // A stream that never came is not called live.
                None => Some(now as i64).filter(|_| now - state.started_ms > live::LATE_MS as f64),
            }
        })
    }

    /// What the freshness pill has to say; `None` while the page is as the server made it.
    pub(in crate::islands) fn reading() -> Option<Reading> {
        let age_ms = age_ms()?;
        let connected = STATE.with_borrow(|state| state.as_ref().is_some_and(|state| state.connected));
        Some(live::read(age_ms, connected))
    }

    fn with<T>(run: impl FnOnce(&mut State) -> T) -> Option<T> {
        STATE.with_borrow_mut(|state| state.as_mut().map(run))
    }

    pub(super) fn start(topics: &str, pool: &str) {
        let now = dom::monotonic_ms();
        let id = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        let channel = BroadcastChannel::new("hr").ok();
        STATE.set(Some(State {
            election: Election::new(id, now),
            own: format!("{topics}|{pool}"),
            wants: Vec::new(),
            channel: channel.clone(),
            source: None,
            address: String::new(),
            attempt: 0,
            connected: false,
            started_ms: now,
            heard_ms: None,
        }));
        let Some(channel) = channel else {
            // A browser without a channel between its tabs: each tab for itself.
            lead();
            return;
        };
        dom::listen(&channel, "message", |event: MessageEvent| {
            if let Some(text) = event.data().as_string() {
                relayed(&text);
            }
        });
        say_want();
        set_interval(say_want, std::time::Duration::from_secs(20));
        if !lead_with_lock() {
            set_interval(elect, std::time::Duration::from_millis(live::BEAT_MS.unsigned_abs().into()));
        }
        dom::listen(&window(), "pagehide", |_: web_sys::Event| leave());
    }

    fn post(text: &str) {
        let channel = with(|state| state.channel.clone()).flatten();
        if let Some(channel) = channel {
            let _ = channel.post_message(&JsValue::from_str(text));
        }
    }

    fn say_want() {
        let text = with(|state| format!("want\n{}\n{}", state.election.id, state.own));
        post(&text.unwrap_or_default());
        reopen_if_needed();
    }

    /// Waits for the lock that one tab of the browser has. Locks exist on encrypted connections only.
    fn lead_with_lock() -> bool {
        let locks = dom::member(&window().navigator(), "locks");
        let Ok(request) = dom::member(&locks, "request").dyn_into::<js_sys::Function>() else { return false };
        let got = Closure::once_into_js(|_: JsValue| {
            lead();
            // The lock is kept until the page goes away.
            js_sys::Promise::new(&mut |_, _| {})
        });
        request.call2(&locks, &JsValue::from_str("hr-sse"), &got).is_ok()
    }

    fn elect() {
        let now = dom::monotonic_ms();
        let begins = with(|state| state.election.tick(now)).unwrap_or(false);
        if begins {
            lead();
        }
        let beat = with(|state| state.election.leads.then(|| format!("beat\n{}", state.election.id))).flatten();
        if let Some(beat) = beat {
            post(&beat);
        }
    }

    fn lead() {
        with(|state| state.election.leads = true);
        post("who");
        reopen_if_needed();
    }

    fn leave() {
        let led = with(|state| {
            if let Some(source) = state.source.take() {
                source.close();
            }
            std::mem::replace(&mut state.election.leads, false)
        });
        if led == Some(true) {
            post("bye");
        }
    }

    /// A message of another tab: a word, and what belongs to it on the next lines.
    fn relayed(text: &str) {
        let (word, rest) = text.split_once('\n').unwrap_or((text, ""));
        let now = dom::monotonic_ms();
        match word {
            "m" => {
                if let Some((kind, data)) = rest.split_once('\n') {
                    take(kind, data);
                }
            }
            "state" => {
                with(|state| state.connected = rest == "1");
            }
            "want" => {
                let Some((tab, want)) = rest.split_once('\n') else { return };
                let Ok(tab) = tab.parse::<u32>() else { return };
                let is_new = with(|state| state.election.leads && state.wants.iter().all(|other| other.tab != tab));
                let is_new = is_new.unwrap_or(false);
                with(|state| {
                    state.wants.retain(|other| other.tab != tab && now - other.said_ms < WANT_LASTS_MS);
                    state.wants.push(Want { tab, topics: want.to_owned(), said_ms: now });
                });
                // A stream that is opened anew tells all tabs to read again; who joins one that runs is told by itself.
                if is_new && !reopen_if_needed() {
                    post(&format!("joined\n{tab}"));
                }
            }
            "who" => {
                let text = with(|state| format!("want\n{}\n{}", state.election.id, state.own));
                post(&text.unwrap_or_default());
            }
            "joined" => {
                let is_own = with(|state| rest.parse() == Ok(state.election.id)).unwrap_or(false);
                if is_own {
                    dispatch("reset", &JsValue::NULL);
                }
            }
            "beat" => {
                let Ok(other) = rest.parse::<u32>() else { return };
                let gives_up = with(|state| state.election.heard(other, now)).unwrap_or(false);
                if gives_up {
                    with(|state| {
                        if let Some(source) = state.source.take() {
                            source.close();
                        }
                        state.address.clear();
                    });
                }
            }
            "bye" => {
                with(|state| state.election.orphaned(now));
            }
            _ => {}
        }
    }

    /// Opens the stream if this tab leads and what the tabs want is not what the stream carries. Returns whether it did.
    fn reopen_if_needed() -> bool {
        let address = with(|state| {
            if !state.election.leads {
                return None;
            }
            let mut wants = vec![state.own.clone()];
            wants.extend(state.wants.iter().map(|want| want.topics.clone()));
            let address = live::stream_address(&wants);
            (address != state.address).then_some(address)
        })
        .flatten();
        let Some(address) = address else { return false };
        open(address);
        true
    }

    fn open(address: String) {
        let Ok(source) = EventSource::new(&address) else { return };
        let old = with(|state| {
            state.address = address;
            state.source.replace(source.clone())
        });
        if let Some(old) = old.flatten() {
            old.close();
        }
        for kind in EVENTS {
            dom::listen(&source, kind, move |event: MessageEvent| {
                let Some(data) = event.data().as_string() else { return };
                post(&format!("m\n{kind}\n{data}"));
                take(kind, &data);
            });
        }
        dom::listen(&source, "open", |_: web_sys::Event| {
            connected(true);
            // What happened between a page, or the stream before, and this one is told by no stream.
            post("m\nreset\n{}");
            dispatch("reset", &JsValue::NULL);
        });
        let mine = source.clone();
        dom::listen(&source, "error", move |_: web_sys::Event| failed(&mine));
    }

    fn connected(is: bool) {
        with(|state| {
            state.connected = is;
            if is {
                state.attempt = 0;
            }
        });
        post(if is { "state\n1" } else { "state\n0" });
    }

    /// The browser asks again once by itself, saying where it stopped; after that the pauses grow.
    fn failed(source: &EventSource) {
        let is_current = with(|state| state.source.as_ref() == Some(source)).unwrap_or(false);
        if !is_current {
            source.close();
            return;
        }
        let again = with(|state| {
            let resumes = state.connected && source.ready_state() == EventSource::CONNECTING;
            if resumes {
                return None;
            }
            source.close();
            state.source = None;
            state.address.clear();
            let attempt = state.attempt;
            state.attempt += 1;
            Some(attempt)
        })
        .flatten();
        connected(false);
        if let Some(attempt) = again {
            with(|state| state.attempt = attempt + 1);
            let pause = live::back_off_ms(attempt, js_sys::Math::random());
            let pause = std::time::Duration::from_millis(pause.unsigned_abs().into());
            set_timeout(|| _ = reopen_if_needed(), pause);
        }
    }

    fn take(kind: &str, data: &str) {
        with(|state| {
            state.heard_ms = Some(dom::monotonic_ms());
            state.connected = true;
        });
        let Ok(value) = js_sys::JSON::parse(data) else { return };
        // A tab that nobody sees keeps only what it cannot ask for later.
        if kind == "live" && document().hidden() {
            return;
        }
        dispatch(kind, &value);
    }

    fn dispatch(kind: &str, value: &JsValue) {
        let called: Vec<Rc<dyn Fn(&JsValue)>> = SUBSCRIBERS
            .with_borrow(|all| all.iter().filter(|(other, _)| *other == kind).map(|(_, run)| Rc::clone(run)).collect());
        for run in called {
            run(value);
        }
    }
}

/// Writing the numbers.
#[cfg(feature = "hydrate")]
mod figures {
    use leptos::prelude::{set_interval, window};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::prelude::*;
    use web_sys::Element;

    use super::stream;
    use crate::islands::dom;
    use crate::live::{Figure, LATE_MS, STALE_MS, Totals};

    pub(super) fn start(pools: &str) {
        let scope: Vec<String> = pools.split(',').filter(|slug| !slug.is_empty()).map(str::to_owned).collect();
        stream::subscribe("live", move |message| write_all(message, &scope));
        set_interval(mark_age, std::time::Duration::from_secs(1));
    }

    fn totals_of(pool: &JsValue) -> Totals {
        let figure = |name| dom::number(pool, name).unwrap_or(0.0);
        Totals {
            capacity: figure("capacity"),
            occupied: figure("occupied"),
            free: figure("free"),
            leaked: figure("leaked"),
            queued: figure("queued"),
            granted_1m: figure("granted_1m"),
            rejected_1m: figure("rejected_1m"),
            claim_p95_us: figure("claim_p95_us"),
            claim_p99_us: figure("claim_p99_us"),
        }
    }

    fn write_all(message: &JsValue, scope: &[String]) {
        let pools: Vec<(String, Totals)> = js_sys::Array::from(&dom::member(message, "pools"))
            .iter()
            .map(|pool| (dom::text(&pool, "slug"), totals_of(&pool)))
            .collect();
        let mut all = Totals::default();
        let mut any = false;
        for (slug, pool) in &pools {
            if scope.is_empty() || scope.contains(slug) {
                all.add(pool);
                any = true;
            }
        }
        for element in dom::all("[data-live]") {
            let Some(name) = element.get_attribute("data-live") else { continue };
            let value = match (name.split_once('.'), element.get_attribute("data-pool")) {
                (Some((part, figure)), _) => dom::number(&dom::member(message, part), figure),
                (None, Some(slug)) => {
                    pools.iter().find(|(other, _)| *other == slug).and_then(|(_, pool)| pool.get(&name))
                }
                (None, None) => any.then(|| all.get(&name)).flatten(),
            };
            if let Some(value) = value {
                write(&element, &name, value);
            }
        }
    }

    /// Writes a number where it differs. Selected text stays as it is: somebody is copying it.
    fn write(element: &Element, name: &str, value: f64) {
        let figure = element.get_attribute("data-as").and_then(|word| Figure::parse(&word)).unwrap_or(Figure::Count);
        let text = figure.streamed(name, value);
        if element.text_content().as_deref() == Some(&text) || is_selected(element) {
            return;
        }
        let _ = if text == headroom_domain::format::UNKNOWN {
            element.set_attribute("title", "unknown: nothing in the last minute")
        } else {
            element.remove_attribute("title")
        };
        // A number that got longer keeps its room when it gets shorter: nothing beside it moves to and fro.
        let room = |style: String| style.strip_prefix("min-inline-size:")?.strip_suffix("ch")?.parse::<usize>().ok();
        let length = text.chars().count();
        if element.get_attribute("style").and_then(room).is_some_and(|kept| kept < length) {
            let _ = element.set_attribute("style", &format!("min-inline-size:{length}ch"));
        }
        // The text node is kept: replacing it would end a selection around it.
        match element.first_child() {
            Some(node) => node.set_node_value(Some(&text)),
            None => element.set_text_content(Some(&text)),
        }
    }

    pub(super) fn is_selected(element: &Element) -> bool {
        let selection =
            dom::member(&window(), "getSelection").dyn_into::<js_sys::Function>().and_then(|get| get.call0(&window()));
        let Ok(selection) = selection else { return false };
        if dom::member(&selection, "isCollapsed").as_bool() != Some(false) {
            return false;
        }
        let contains = dom::member(&selection, "containsNode").dyn_into::<js_sys::Function>();
        contains
            .and_then(|contains| contains.call2(&selection, element, &JsValue::TRUE))
            .ok()
            .and_then(|found| found.as_bool())
            .unwrap_or(false)
    }

    /// Old numbers look old, and the page says since when. They stay what they were: the unknown is not zero.
    fn mark_age() {
        let Some(age_ms) = stream::age_ms() else { return };
        let Some(root) = dom::root() else { return };
        let stale = age_ms > STALE_MS;
        let _ = if stale { root.set_attribute("data-stale", "") } else { root.remove_attribute("data-stale") };
        for place in dom::all("[data-live-note]") {
            let shown = age_ms > LATE_MS && stale;
            let _ = if shown { place.remove_attribute("hidden") } else { place.set_attribute("hidden", "") };
            if shown && let Ok(Some(words)) = place.query_selector("span") {
                let age = headroom_domain::format::duration(age_ms / 1_000 * 1_000);
                words.set_text_content(Some(&format!(
                    "Nothing heard for {age}. The figures are the last ones known, not zero."
                )));
            }
        }
    }
}

/// Asking for the page again: what the stream does not carry.
#[cfg(feature = "hydrate")]
mod refresh {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use leptos::prelude::{document, set_interval, window};
    use wasm_bindgen::JsCast;
    use web_sys::{Document, Element};

    use super::figures::is_selected;
    use crate::islands::dom;

    const EVERY: std::time::Duration = std::time::Duration::from_secs(20);

    thread_local! {
        /// What the server listed when it was last asked, shown or not: what is not in it is new.
        static LISTED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
        static WAS_OPENED: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn start() {
        LISTED.set(ids(&document()).into_iter().collect());
        set_interval(
            || {
                if !document().hidden() {
                    ask();
                }
            },
            EVERY,
        );
        // Something happened to an alert: it is not waited for, also where nobody looks, for the title and notifications tell.
        super::stream::subscribe("alerts", |_| ask());
        // A stream that is opened again tells nothing of what happened meanwhile. The page is as new as the first one.
        super::stream::subscribe("reset", |_| {
            if WAS_OPENED.replace(true) {
                ask();
            }
        });
    }

    fn ask() {
        if let Ok(address) = window().location().href() {
            dom::fetch_text(&address, |html| put(&html));
        }
    }

    fn put(html: &str) {
        let Some(fresh) = dom::parse(html) else { return };
        for place in dom::all("[data-refresh]") {
            let Some(name) = place.get_attribute("data-refresh") else { continue };
            let Ok(Some(new)) = fresh.query_selector(&format!("[data-refresh=\"{name}\"]")) else { continue };
            let html = new.inner_html();
            if place.inner_html() == html {
                continue;
            }
            if is_touched(&place) {
                rows(&place, &new);
            } else {
                let open = place.query_selector("details[open]").ok().flatten().is_some();
                place.set_inner_html(&html);
                if open && let Ok(Some(details)) = place.query_selector("details") {
                    let _ = details.set_attribute("open", "");
                }
            }
        }
        // Charts that are new have to be found by the crosshair.
        if let Ok(event) = web_sys::Event::new(dom::PAGE_RENEWED) {
            let _ = window().dispatch_event(&event);
        }
        findings(&fresh);
    }

    /// Under the hand rows stay where they are and as long as they are, but how urgent one is and who has it is told.
    fn rows(place: &Element, new: &Element) {
        let Ok(parts) = place.query_selector_all("[data-alert] [data-now]") else { return };
        for part in (0..parts.length()).filter_map(|index| parts.item(index)?.dyn_into::<Element>().ok()) {
            let fresh = || {
                let row = part.closest("[data-alert]").ok()??.get_attribute("data-alert")?;
                let name = part.get_attribute("data-now")?;
                new.query_selector(&format!("[data-alert=\"{row}\"] [data-now=\"{name}\"]")).ok()?
            };
            if let Some(html) = fresh().map(|fresh| fresh.inner_html()).filter(|html| *html != part.inner_html())
                && !is_selected(&part)
            {
                part.set_inner_html(&html);
            }
        }
    }

    /// Nothing moves under the hand.
    fn is_touched(place: &Element) -> bool {
        // What is ticked is about to be used.
        const IN_USE: &str = ".hr-pop[open], .hr-tip[open], [data-pinned], input:checked";
        let is_open = || place.query_selector(IN_USE).ok().flatten().is_some();
        place.matches(":hover, :focus-within").unwrap_or(false) || is_selected(place) || is_open()
    }

    /// What is new is announced once, and counted while it is not in the list: under a hand that changes when somebody asks.
    fn findings(fresh: &Document) {
        announce(fresh);
        let Some(bar) = dom::all("[data-findings-new]").into_iter().next() else { return };
        let known: Vec<String> = ids(&document());
        let now: Vec<String> = ids(fresh);
        for article in dom::all("[data-finding]") {
            let gone = article.get_attribute("data-finding").is_some_and(|id| !now.contains(&id));
            let _ = if gone { article.set_attribute("data-gone", "") } else { article.remove_attribute("data-gone") };
        }
        let new: Vec<&String> = now.iter().filter(|id| !known.contains(id)).collect();
        let title = document().title();
        let bare = title.split_once(") ").filter(|_| title.starts_with('(')).map_or(title.as_str(), |(_, rest)| rest);
        if new.is_empty() {
            let _ = bar.set_attribute("hidden", "");
            document().set_title(bare);
            return;
        }
        let text = format!("{} new — show", new.len());
        if bar.text_content().as_deref() != Some(&text) {
            bar.set_text_content(Some(&text));
        }
        let _ = bar.remove_attribute("hidden");
        document().set_title(&format!("({}) {bare}", new.len()));
    }

    /// Critical ones are said at once, once, whether they are in the list already or wait outside it.
    fn announce(fresh: &Document) {
        let now: BTreeSet<String> = ids(fresh).into_iter().collect();
        let before = LISTED.replace(now.clone());
        let critical: Vec<String> = now
            .difference(&before)
            .filter_map(|id| {
                fresh.query_selector(&format!(".hr-finding--crit[data-finding=\"{id}\"] h3")).ok()??.text_content()
            })
            .collect();
        let Some(first) = critical.first() else { return };
        let text = if critical.len() == 1 {
            format!("New and critical: {first}")
        } else {
            format!("{} new and critical, first: {first}", critical.len())
        };
        if let Some(region) = document().get_element_by_id("live-assertive") {
            region.set_text_content(Some(&text));
        }
    }

    fn ids(page: &Document) -> Vec<String> {
        let Ok(nodes) = page.query_selector_all("[data-finding]") else { return Vec::new() };
        (0..nodes.length())
            .filter_map(|index| nodes.item(index)?.dyn_into::<Element>().ok()?.get_attribute("data-finding"))
            .collect()
    }
}
