"""The pure vocabulary of ODST: values and rules, standard library only, no input or output."""
