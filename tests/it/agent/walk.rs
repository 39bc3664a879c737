//! Going through a list to its end, as an agent does: no item twice, no page that leads back, and an end.

use super::script::Until;
use serde_json::Value;
use std::collections::BTreeSet;

/// More pages are a loop: nothing here is so long.
const MOST: usize = 200;

/// What was seen on the way.
#[derive(Debug, Default)]
pub struct Walk {
    pages: usize,
    items: BTreeSet<String>,
    ways: BTreeSet<String>,
}

impl Walk {
    /// Takes a page, and says what the next one's argument is.
    pub fn takes(&mut self, page: &Value, until: &Until) -> Result<Option<Value>, String> {
        self.pages += 1;
        if let Some(pointer) = &until.items {
            let items = page.pointer(pointer).and_then(Value::as_array).ok_or("a page has no items")?;
            for item in items {
                let key = until.key.as_ref().map_or(Some(item), |key| item.pointer(key));
                let key = key.ok_or("an item has no key")?.to_string();
                if !self.items.insert(key) {
                    return Err(format!("an item stands on page {} for the second time", self.pages));
                }
            }
        }
        match page.pointer(&until.next) {
            None | Some(Value::Null) => self.ends(until),
            Some(next) if !self.ways.insert(next.to_string()) => Err("the pages lead in a circle".to_owned()),
            Some(_) if self.pages == MOST => Err(format!("no end after {MOST} pages")),
            Some(next) => Ok(Some(next.clone())),
        }
    }

    fn ends(&self, until: &Until) -> Result<Option<Value>, String> {
        if self.pages != until.pages || until.count.is_some_and(|count| count != self.items.len()) {
            return Err(format!("{} items on {} pages", self.items.len(), self.pages));
        }
        Ok(None)
    }
}

#[test]
fn a_circle_and_an_item_twice_are_seen() {
    use serde_json::json;
    let until = Until {
        next: "/next".into(),
        goes: "cursor".into(),
        items: Some("/rows".into()),
        key: Some("/id".into()),
        count: Some(2),
        pages: 2,
    };
    let page = |id: u32, next: Value| json!({ "rows": [{ "id": id }], "next": next });
    let play = |pages: &[Value]| {
        let mut walk = Walk::default();
        pages.iter().map(|page| walk.takes(page, &until)).collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(play(&[page(1, json!("a")), page(2, json!(null))]), Ok(vec![Some(json!("a")), None]));
    assert!(play(&[page(1, json!("a")), page(2, json!("a"))]).unwrap_err().contains("circle"));
    assert!(play(&[page(1, json!("a")), page(1, json!(null))]).unwrap_err().contains("second time"));
    assert!(play(&[page(1, json!(null))]).unwrap_err().contains("on 1 pages"));
}
