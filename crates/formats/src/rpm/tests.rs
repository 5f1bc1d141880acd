//! Claims about whole repositories.

mod evil;
mod items;
mod packages;
mod real;
mod wanted;
