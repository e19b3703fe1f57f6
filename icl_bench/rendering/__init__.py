"""Tables, text and formats of whatever has something to say: knows neither reports nor comparisons."""
