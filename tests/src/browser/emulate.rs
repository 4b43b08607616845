//! Other windows, zones, eyes and settings than this machine's.

use anyhow::Result;
use serde_json::json;

use super::Browser;

/// `prefers-color-scheme`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    /// Its name in a media query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// Ways of seeing colours that Chromium simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vision {
    Full,
    Protanopia,
    Deuteranopia,
    Tritanopia,
    Achromatopsia,
}

impl Vision {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "none",
            Self::Protanopia => "protanopia",
            Self::Deuteranopia => "deuteranopia",
            Self::Tritanopia => "tritanopia",
            Self::Achromatopsia => "achromatopsia",
        }
    }
}

impl Browser {
    /// A window of this size; a narrow one is a phone, with its viewport rules and a finger.
    pub async fn window(&self, width: u32, height: u32) -> Result<()> {
        /// Below this width tests mean a phone.
        const PHONE: u32 = 768;
        let mobile = width < PHONE;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await?;
        self.cdp("Emulation.setTouchEmulationEnabled", json!({ "enabled": mobile })).await?;
        Ok(())
    }

    /// The system's light or dark setting, without motion: a test must not meet a half-faded page.
    pub async fn scheme(&self, scheme: Scheme) -> Result<()> {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.cdp("Emulation.setEmulatedMedia", features).await?;
        Ok(())
    }

    /// The browser's time zone, for example `Asia/Kolkata`.
    pub async fn zone(&self, name: &str) -> Result<()> {
        self.cdp("Emulation.setTimezoneOverride", json!({ "timezoneId": name })).await?;
        Ok(())
    }

    /// Turns the page's own scripts off or on; the tests' still run.
    pub async fn scripts(&self, on: bool) -> Result<()> {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await?;
        Ok(())
    }

    /// Shows the page as somebody with this vision sees it.
    pub async fn vision(&self, vision: Vision) -> Result<()> {
        self.cdp("Emulation.setEmulatedVisionDeficiency", json!({ "type": vision.name() })).await?;
        Ok(())
    }

    /// Forgets cookies and cached files, as a new visitor has none.
    pub async fn forget(&self) -> Result<()> {
        self.cdp("Network.clearBrowserCookies", json!({})).await?;
        self.cdp("Network.clearBrowserCache", json!({})).await?;
        Ok(())
    }
}
