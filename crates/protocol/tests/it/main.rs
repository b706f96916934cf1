//! The protocol as others see it: its document, its vectors, and whatever somebody may send.

mod corpus;
mod document;
mod envelope;
mod properties;
mod resume;
mod table;
mod vectors;
