"""CEL: the validation rules of CustomResourceDefinitions, type-checked and evaluated."""
