//! Where the window was, how large, and how large its text.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Steps of the zoom, as browsers have them.
const ZOOMS: [f64; 13] = [0.5, 0.67, 0.75, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0];
/// Smallest window, logical pixels: pages work from 320 on.
pub(crate) const SMALLEST: (u32, u32) = (360, 300);
/// Most of a side that is believed, pixels.
const LARGEST: u32 = 16_000;
/// So much of a window has to lie on a screen for somebody to find it, pixels.
const SEEN: i64 = 80;

/// A rectangle on the desktop, physical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rectangle {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// What is remembered of the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    /// Where it was when it did not fill the screen.
    pub(crate) window: Rectangle,
    /// It was placed by somebody, rather than by the desktop at its first start.
    pub(crate) is_placed: bool,
    /// It filled the screen.
    pub(crate) maximized: bool,
    /// 1 is the usual size.
    pub(crate) zoom: f64,
}

impl Default for Place {
    fn default() -> Self {
        let window = Rectangle { x: 0, y: 0, width: 1280, height: 860 };
        Self { window, is_placed: false, maximized: false, zoom: 1.0 }
    }
}

impl Place {
    /// Reads the file. What cannot be understood is not worth a word: the window comes up as at its first start.
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        serde_json::from_str::<Self>(&text).map(Self::sound).unwrap_or_default()
    }

    /// Writes the file.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        crate::folders::replace(file, &serde_json::to_string(self)?)
    }

    fn sound(mut self) -> Self {
        self.window.width = self.window.width.clamp(SMALLEST.0, LARGEST);
        self.window.height = self.window.height.clamp(SMALLEST.1, LARGEST);
        self.zoom = if self.zoom.is_finite() { self.zoom.clamp(ZOOMS[0], ZOOMS[ZOOMS.len() - 1]) } else { 1.0 };
        self
    }

    /// Whether somebody could find the window on one of these screens.
    pub(crate) fn is_on(&self, screens: &[Rectangle]) -> bool {
        let along = |at: i32, size: u32, screen_at: i32, screen_size: u32| {
            let end = (i64::from(at) + i64::from(size)).min(i64::from(screen_at) + i64::from(screen_size));
            end - i64::from(at).max(i64::from(screen_at))
        };
        let window = self.window;
        self.is_placed
            && screens.iter().any(|screen| {
                along(window.x, window.width, screen.x, screen.width) >= SEEN
                    && along(window.y, window.height, screen.y, screen.height) >= SEEN
                    // Its upper edge is where one takes hold of it.
                    && window.y >= screen.y
            })
    }
}

/// The next zoom: `1` larger, `-1` smaller, `0` as usual.
pub(crate) fn zoom(now: f64, way: i32) -> f64 {
    // Steps are compared with room for what a file makes of a number.
    const ROOM: f64 = 0.005;
    match way {
        0 => 1.0,
        1.. => ZOOMS.into_iter().find(|step| *step > now + ROOM).unwrap_or(ZOOMS[ZOOMS.len() - 1]),
        _ => ZOOMS.into_iter().rev().find(|step| *step < now - ROOM).unwrap_or(ZOOMS[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn a_place_comes_back_and_nonsense_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        assert_eq!(Place::read(&file), Place::default());
        let window = Rectangle { x: -5, y: 40, width: 900, height: 700 };
        let place = Place { window, is_placed: true, maximized: true, zoom: 1.25 };
        place.write(&file).unwrap();
        assert_eq!(Place::read(&file), place);
        for nonsense in ["", "{", "[]", "{\"zoom\": \"x\"}", "{\"window\": {\"x\": 1e99}}"] {
            fs::write(&file, nonsense).unwrap();
            assert_eq!(Place::read(&file), Place::default(), "{nonsense}");
        }
        fs::write(&file, r#"{"window":{"x":0,"y":0,"width":1,"height":4000000000},"zoom":900.0}"#).unwrap();
        let read = Place::read(&file);
        assert_eq!((read.window.width, read.window.height), (SMALLEST.0, LARGEST));
        assert!(same(read.zoom, 3.0));
    }

    #[test]
    fn a_window_is_never_lost_beside_the_screens() {
        let screen = Rectangle { x: 0, y: 0, width: 1920, height: 1080 };
        let at = |x, y| {
            let window = Rectangle { x, y, width: 800, height: 600 };
            Place { window, is_placed: true, ..Place::default() }
        };
        assert!(at(0, 0).is_on(&[screen]) && at(1840, 1000).is_on(&[screen]) && at(-720, 0).is_on(&[screen]));
        for lost in [at(1841, 0), at(0, 1001), at(-721, 0), at(0, -1), at(i32::MAX, i32::MIN)] {
            assert!(!lost.is_on(&[screen]), "{lost:?}");
        }
        let second = Rectangle { x: 1920, ..screen };
        assert!(at(3000, 10).is_on(&[screen, second]) && !at(3000, 10).is_on(&[screen]) && !at(0, 0).is_on(&[]));
    }

    #[test]
    fn zoom_goes_in_steps_and_stops_at_its_ends() {
        assert!(same(zoom(1.0, 1), 1.1) && same(zoom(1.0, -1), 0.9) && same(zoom(2.2, 0), 1.0));
        assert!(same(zoom(3.0, 1), 3.0) && same(zoom(0.5, -1), 0.5) && same(zoom(1.05, 1), 1.1));
    }
}
