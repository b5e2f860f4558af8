crlf = "a"
here = <<EOF
x
EOF
block {
  v = 1
}
