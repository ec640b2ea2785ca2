//! The `colspan` and `rowspan` of table cells, as HTML limits them (HTML 4.9.12).

use html2text::{Element, Handle, RcDom};
use html5ever::Attribute;

/// The most columns that a cell may span (HTML 4.9.11).
const MAX_COLUMNS: usize = 1000;

/// Ends the cells of each table at its last row and limits their columns, as browsers do. html2text panics
/// if they go on.
pub(crate) fn fit_spans(document: &RcDom) {
    let mut nodes = vec![document.document.clone()];
    while let Some(node) = nodes.pop() {
        if is(&node, "table") {
            fit_table(&node);
        }
        nodes.extend(node.children.borrow().iter().cloned());
    }
}

fn fit_table(table: &Handle) {
    let mut rows = Vec::new();
    for child in table.children.borrow().iter() {
        if is(child, "tr") {
            rows.push(child.clone());
        } else if is(child, "thead") || is(child, "tbody") || is(child, "tfoot") {
            let children = child.children.borrow();
            rows.extend(children.iter().filter(|child| is(child, "tr")).cloned());
        }
    }
    let count = rows.len();
    for (index, row) in rows.iter().enumerate() {
        for cell in row.children.borrow().iter() {
            if let Element { attrs, .. } = &cell.data {
                let attributes = &mut *attrs.borrow_mut();
                limit(attributes, "rowspan", count - index);
                limit(attributes, "colspan", MAX_COLUMNS);
            }
        }
    }
}

fn is(node: &Handle, name: &str) -> bool {
    matches!(&node.data, Element { name: found, .. } if &*found.local == name)
}

fn limit(attributes: &mut [Attribute], name: &str, most: usize) {
    for attribute in attributes {
        if &*attribute.name.local == name {
            let value = match attribute.value.parse::<usize>() {
                // All the rows that are left.
                Ok(0) if name == "rowspan" => most,
                Ok(0) | Err(_) => 1,
                Ok(value) => value.min(most),
            };
            attribute.value = value.to_string().into();
        }
    }
}
