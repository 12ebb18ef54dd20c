"""VADER's score of a text, for `spex evaluate --model predict:benchmarks.vader:compound`."""

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

analyzer = SentimentIntensityAnalyzer()


def compound(texts):
    return [analyzer.polarity_scores(text)["compound"] for text in texts]


compound.identity = "VADER 3.3.2, compound"
