a = 1 b = 2, c = 3
x { } y {}
n { n { n { n = 0 } } }
again = 1
again = 2
list = [1]
list = [2, 3]
mixed { a = 1 }
mixed = [{ a = 2 }]
mixed { a = 3 }
deep "one" "two" "three" { v = 1 }
deep "one" "two" "four" { v = 2 }
deep "one" "six" { v = 3 }
deep "one" "six" { v = 4 }
numbers = [0, -0, 1, -1, 0x0, 0XfF, -0x10, 007, 1.5, -1.5, 1., .5, 0.5, 1e3, 1E+3, 1e-3, 1.5e3, 05.5, 9007199254740991]
commas = [,1,,2,,]
lists = [[1] [2], [[3]] 4]
objects = [{}, { a = [] }, { a "b" { c = true } }]
#no space
//none here
/* ** / */ last /* mid */ = /* here */ "end" # eol
/***/
