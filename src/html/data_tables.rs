//! Data tables as lines of text.

use html2text::{Element, Handle, RcDom};
use html5ever::interface::{ElementFlags, NodeOrText, TreeSink as _};
use html5ever::{QualName, local_name, ns};

/// Between the cells of a row.
const SEPARATOR: &str = " | ";

/// Turns each row of a table with `<thead>` into a line. Other tables are layout, whose cells follow each other.
pub(crate) fn rows_as_lines(document: &RcDom) {
    let mut nodes = vec![document.document.clone()];
    while let Some(node) = nodes.pop() {
        for child in node.children.borrow_mut().iter_mut() {
            if is_data_table(child) {
                *child = lines(document, child);
            }
        }
        nodes.extend(node.children.borrow().iter().cloned());
    }
}

fn is_data_table(node: &Handle) -> bool {
    let is_layout = || match &node.data {
        Element { attrs, .. } => attrs.borrow().iter().any(|it| &*it.name.local == "role"),
        _ => false,
    };
    let has_head = || {
        node.children
            .borrow()
            .iter()
            .any(|child| is(child, "thead"))
    };
    is(node, "table") && has_head() && !is_layout()
}

fn lines(document: &RcDom, table: &Handle) -> Handle {
    let new_div = || {
        let name = QualName::new(None, ns!(html), local_name!("div"));
        document.create_element(name, Vec::new(), ElementFlags::default())
    };
    let lines = new_div();
    let mut nodes: Vec<Handle> = table.children.borrow().iter().rev().cloned().collect();
    while let Some(node) = nodes.pop() {
        if is(&node, "caption") {
            let line = new_div();
            document.reparent_children(&node, &line);
            document.append(&lines, NodeOrText::AppendNode(line));
            continue;
        }
        if !is(&node, "tr") {
            nodes.extend(node.children.borrow().iter().rev().cloned());
            continue;
        }
        let line = new_div();
        let cells: Vec<Handle> = node.children.borrow().clone();
        let cells = cells.iter().filter(|it| is(it, "th") || is(it, "td"));
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                document.append(&line, NodeOrText::AppendText(SEPARATOR.into()));
            }
            document.reparent_children(cell, &line);
        }
        document.append(&lines, NodeOrText::AppendNode(line));
    }
    lines
}

fn is(node: &Handle, name: &str) -> bool {
    matches!(&node.data, Element { name: found, .. } if &*found.local == name)
}
