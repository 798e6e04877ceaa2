"""The conformance suite: what every instrument must do, checked on ours and on a lab's own."""
