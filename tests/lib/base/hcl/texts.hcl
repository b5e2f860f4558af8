plain = "a\tb\\c\"d\u00e9\U0001F600\x41\101\a\b\f\n\r\v"
kept  = "x ${lookup("a", "${b}")} y ${ {n = "}"} } z"
spread = "one ${join(",",
  list("a", "b"))} two"
dollar = "$5 $$ $${x} {not} }"
empty = ""
"quoted key" = "é 日本 😀"
"esc\"aped" = 1
日本 = "word of other letters"
a-b.c_d = true
here = <<EOF
first "line" \n ${x}
  EOF is not here
	second
EOF
tailed = <<END
text
  END
indented = <<-EOF
    four
      six

    four
    EOF
even = <<-EOF
    four
      six
    four
    EOF
ragged = <<-EOF
  two
    four
    EOF
nothing = <<EOF
EOF
in_list = [<<A
x
A
, "b", <<-B
  y
  B
]
after = 1
