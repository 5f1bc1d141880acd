//! Rendering.

use crate::error::FormatError;
use crate::render::{Content, RenderSettings, Tree};

pub(super) fn render(_: &dyn Content, _: &RenderSettings, _: &dyn Tree) -> Result<(), FormatError> {
    Ok(())
}
