//! `mailrun preview`: on standard output, on a terminal, as a folder, and as a page in the browser.

mod contact_sheet;
mod follows;
mod page;
mod page_typing;
mod printed;
mod rows_without_message;
mod terminal;
mod web;
