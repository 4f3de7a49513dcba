"""The data of a run: opened, checked, and labelled by a teacher."""
