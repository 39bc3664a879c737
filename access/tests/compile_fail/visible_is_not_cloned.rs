//! Neither a grant nor what it admitted can be copied.
use kenward_access::ids::DocNo;
use kenward_access::visible::{Grant, Visible};

fn need<T: Clone>() {}

fn main() {
    need::<Grant<'static>>();
    need::<Visible<'static, DocNo>>();
}
